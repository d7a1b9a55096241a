/** Stands in for Daily's client, which the transports import and this page has no use for. */
export default {
  createCallObject(): never {
    throw new Error("this page has no client of Daily's: give the transport a media manager");
  },
};
