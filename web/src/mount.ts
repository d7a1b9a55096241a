/** Find what a page is rendered into. */
export function mounted(): HTMLElement {
  const root = document.getElementById("page");
  if (root === null) {
    throw new Error("the page has no element #page");
  }
  return root;
}
