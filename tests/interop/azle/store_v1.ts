// Documents by key in stable memory, and a count of writes in the heap, which no upgrade keeps.
import { IDL, preUpgrade, query, StableBTreeMap, update } from 'azle';

export default class {
  documents = new StableBTreeMap<string, string>(0);
  writes = 0n;

  @preUpgrade
  refuseUpgrade(): void {
    if (this.documents.get('trap') === 'in pre_upgrade') {
      this.documents.insert('lost', 'by the trap');
      throw new Error('no upgrade from here');
    }
  }

  @update([IDL.Text, IDL.Text])
  set_document(key: string, value: string): void {
    this.documents.insert(key, value);
    this.writes += 1n;
  }

  @update([IDL.Text, IDL.Text])
  set_document_and_trap(key: string, value: string): void {
    this.set_document(key, value);
    throw new Error('on purpose');
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

  @query([])
  query_forever(): void {
    for (;;) this.writes += 1n;
  }

  @query([], IDL.Text)
  version(): string {
    return '1';
  }
}
