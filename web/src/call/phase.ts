/** What a call is doing, as a person would say it. */
export const Phase = {
  Choosing: "choosing",
  Connecting: "connecting",
  Listening: "listening",
  Thinking: "thinking",
  Speaking: "speaking",
  Reconnecting: "reconnecting",
  Ended: "ended",
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

const TALKING = [Phase.Listening, Phase.Thinking, Phase.Speaking] as const;

/** What a call does while its line is up. */
export type Doing = (typeof TALKING)[number];

/** Which phase may follow which. */
export const MOVES: Readonly<Record<Phase, readonly Phase[]>> = {
  [Phase.Choosing]: [Phase.Connecting],
  [Phase.Connecting]: [...TALKING, Phase.Reconnecting, Phase.Ended, Phase.Choosing],
  [Phase.Listening]: [Phase.Thinking, Phase.Speaking, Phase.Reconnecting, Phase.Ended],
  [Phase.Thinking]: [Phase.Listening, Phase.Speaking, Phase.Reconnecting, Phase.Ended],
  [Phase.Speaking]: [Phase.Listening, Phase.Thinking, Phase.Reconnecting, Phase.Ended],
  [Phase.Reconnecting]: [...TALKING, Phase.Ended],
  [Phase.Ended]: [Phase.Choosing, Phase.Connecting],
};

/** A phase was to follow one that it may not follow. */
export class IllegalMoveError extends Error {
  constructor(from: Phase, to: Phase) {
    super(`a call that is ${from} cannot be ${to} next`);
  }
}

/** Tell whether a call goes on and its line is up. */
export function isTalking(phase: Phase): phase is Doing {
  return (TALKING as readonly Phase[]).includes(phase);
}

/** Tell whether there is a call that goes on, or is about to. */
export function isLive(phase: Phase): boolean {
  return phase !== Phase.Choosing && phase !== Phase.Ended;
}

/** Check that a phase may follow another, and return it. */
export function moved(from: Phase, to: Phase): Phase {
  if (from === to) {
    return to;
  }
  if (!MOVES[from].includes(to)) {
    throw new IllegalMoveError(from, to);
  }
  return to;
}
