import type { CallState, Entry, Heard, Said, Segment } from "./state";

/** Entries that a page keeps; of a longer conversation the oldest are given up. */
export const MAX_ENTRIES = 500;

type Unnumbered<T> = T extends Entry ? Omit<T, "id"> : never;

/** Add an entry at the end. */
export function added(state: CallState, entry: Unnumbered<Entry>): CallState {
  const numbered = { ...entry, id: state.nextId } as Entry;
  return {
    ...state,
    entries: [...state.entries, numbered].slice(-MAX_ENTRIES),
    nextId: state.nextId + 1,
  };
}

/** Put an entry in the place of the one with its number. */
export function replaced(state: CallState, entry: Entry): CallState {
  return { ...state, entries: state.entries.map((old) => (old.id === entry.id ? entry : old)) };
}

/** Find the last entry for which something holds. */
export function lastWhere<T extends Entry>(
  state: CallState,
  fits: (entry: Entry) => entry is T,
): T | undefined {
  return state.entries.findLast(fits);
}

const isPartial = (entry: Entry): entry is Heard => entry.kind === "heard" && entry.partial;
const isOpen = (entry: Entry): entry is Said => entry.kind === "said" && entry.open;

/** Take note of what a recogniser makes of the caller's speech. */
export function heard(state: CallState, text: string, final: boolean): CallState {
  const words = text.trim();
  const partial = lastWhere(state, isPartial);
  if (partial !== undefined) {
    return words || !final
      ? replaced(state, { ...partial, text: words || partial.text, partial: !final })
      : { ...state, entries: state.entries.filter((entry) => entry.id !== partial.id) };
  }
  return words
    ? added(state, { kind: "heard", text: words, typed: false, partial: !final })
    : state;
}

/** Take note of what the caller has typed, which cuts off whoever speaks. */
export function typed(state: CallState, text: string): CallState {
  return added(cutOff(state), { kind: "heard", text, typed: true, partial: false });
}

/** Take note of a piece of what the assistant says, new or further spoken. */
export function said(state: CallState, segment: Segment): CallState {
  const holder = state.entries.findLast(
    (entry): entry is Said =>
      entry.kind === "said" && entry.segments.some(({ id }) => id === segment.id),
  );
  if (holder !== undefined) {
    const segments = holder.segments.map((old) => (old.id === segment.id ? segment : old));
    return replaced(state, { ...holder, segments });
  }
  // What is said of the line does not interrupt whoever speaks.
  const open = state.entries.findLast((entry) => entry.kind !== "notice");
  if (open !== undefined && isOpen(open) && open.task === state.active) {
    return replaced(state, { ...open, segments: [...open.segments, segment] });
  }
  return added(state, { kind: "said", task: state.active, segments: [segment], open: true });
}

/** Say that what the assistant was saying is complete. */
export function closed(state: CallState): CallState {
  const entries = state.entries.map((entry) => (isOpen(entry) ? { ...entry, open: false } : entry));
  return { ...state, entries };
}

/** Say that the assistant was cut off: what was not spoken will not be. */
export function cutOff(state: CallState): CallState {
  const open = lastWhere(state, isOpen);
  if (open === undefined) {
    return state;
  }
  const segments = open.segments.map((segment) => ({
    ...segment,
    cut: segment.cut || segment.spoken < segment.text.length,
  }));
  return closed(replaced(state, { ...open, segments }));
}
