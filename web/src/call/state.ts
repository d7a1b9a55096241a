import { Phase, type Doing } from "./phase";

/** How a person takes part: with a voice, or with a keyboard and no microphone. */
export type Mode = "voice" | "typed";

/** A piece of what an assistant says, as far as it was heard. */
export interface Segment {
  readonly id: number;
  readonly text: string;
  /** How much of the text was spoken, in characters. */
  readonly spoken: number;
  readonly cut: boolean;
}

export interface Heard {
  readonly kind: "heard";
  readonly id: number;
  readonly text: string;
  readonly typed: boolean;
  /** Whether the recogniser may still change its mind. */
  readonly partial: boolean;
}

export interface Said {
  readonly kind: "said";
  readonly id: number;
  /** The task that says it; null if that is not known. */
  readonly task: string | null;
  readonly segments: readonly Segment[];
  /** Whether more of it may come. */
  readonly open: boolean;
}

export type ToolState = "running" | "done" | "cancelled";

export interface Tool {
  readonly kind: "tool";
  readonly id: number;
  readonly call: string;
  readonly name: string;
  readonly asked: readonly (readonly [string, string])[];
  readonly state: ToolState;
}

export type JobState = "started" | "update" | "completed" | "failed" | "cancelled" | "error";

export interface Job {
  readonly id: string;
  readonly task: string;
  readonly name: string | null;
  readonly state: JobState;
  readonly text: string;
}

/** Jobs that one task asked of others at the same time. */
export interface Work {
  readonly kind: "work";
  readonly id: number;
  readonly asker: string;
  readonly jobs: readonly Job[];
}

export interface Handoff {
  readonly kind: "handoff";
  readonly id: number;
  readonly from: string;
  readonly to: string;
}

/** Something about the line that a person should know. */
export interface Notice {
  readonly kind: "notice";
  readonly id: number;
  readonly what: "interrupted" | "resumed" | "gap";
}

export type Entry = Heard | Said | Tool | Work | Handoff | Notice;

/** What a thermostat reads, and what it is set to, at a time in milliseconds. */
export interface Reading {
  readonly at: number;
  readonly temperature: number;
  readonly target: number;
}

/** Why a call is over. */
export interface Ending {
  readonly reason: string;
  readonly code: number | null;
}

export interface CallState {
  readonly phase: Phase;
  /** What the call does, or goes back to when its line is up again. */
  readonly doing: Doing;
  readonly assistant: string;
  readonly mode: Mode;
  readonly active: string | null;
  readonly userSpeaking: boolean;
  readonly entries: readonly Entry[];
  readonly nextId: number;
  /** When the last turn of the caller ended, in milliseconds; null if it has been answered. */
  readonly turnEnded: number | null;
  /** How long each answer took to begin, in milliseconds. */
  readonly latencies: readonly number[];
  readonly readings: readonly Reading[];
  readonly ending: Ending | null;
  readonly startedAt: number;
}

export const NO_CALL: CallState = {
  phase: Phase.Choosing,
  doing: Phase.Listening,
  assistant: "",
  mode: "voice",
  active: null,
  userSpeaking: false,
  entries: [],
  nextId: 1,
  turnEnded: null,
  latencies: [],
  readings: [],
  ending: null,
  startedAt: 0,
};
