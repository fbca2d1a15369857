// Version 2 reads what version 1 wrote.
import { IDL, postUpgrade, query, StableBTreeMap, update } from 'azle';

export default class {
  documents = new StableBTreeMap<string, string>(0);
  writes = 0n;

  @postUpgrade
  refuseUpgrade(): void {
    if (this.documents.get('trap') === 'in post_upgrade') {
      this.documents.insert('lost', 'by the trap');
      throw new Error('no upgrade to here');
    }
  }

  @update([IDL.Text, IDL.Text])
  set_document(key: string, value: string): void {
    this.documents.insert(key, value);
    this.writes += 1n;
  }

  @query([IDL.Text], IDL.Opt(IDL.Text))
  document(key: string): [string] | [] {
    const value = this.documents.get(key);
    return value === undefined ? [] : [value];
  }

  @query([], IDL.Nat)
  count_writes(): bigint {
    return this.writes;
  }

  @query([], IDL.Text)
  version(): string {
    return '2';
  }
}
