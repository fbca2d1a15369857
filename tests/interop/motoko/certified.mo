// Certifies a value, and gives the proof of it with each query.
import { setCertifiedData; getCertificate } "mo:⛔";

persistent actor {
  var value : Blob = "";

  public func certify(newer : Blob) : async () {
    value := newer;
    setCertifiedData(newer);
  };

  public query func certified() : async (Blob, ?Blob) { (value, getCertificate()) };
}
