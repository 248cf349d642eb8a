/** An order that cannot be carried out here and now; the message says why. */
export class VmRefusal extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'VmRefusal';
  }
}
