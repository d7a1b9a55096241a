/** The administrator's token: in this tab alone, until it is closed or the operator signs out. */

const KEPT = "trunkline.operator.token";

/** The token of this tab; "" if there is none. */
export function keptToken(): string {
  return sessionStorage.getItem(KEPT) ?? "";
}

/** Keep a token; "" keeps none. */
export function keepToken(token: string): void {
  if (token === "") sessionStorage.removeItem(KEPT);
  else sessionStorage.setItem(KEPT, token);
}
