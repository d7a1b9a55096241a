import type { JobState } from "./state";

/** A message of RTVI as it arrives: nothing in it has been looked at. */
export interface Message {
  readonly type: string;
  readonly data?: unknown;
}

/** What a `server-message` of Trunkline's says. */
export type News =
  | { kind: "line"; state: string; code: number | null; reason: string | null }
  | { kind: "active"; task: string }
  | { kind: "reading"; temperature: number; target: number }
  | {
      kind: "job";
      id: string;
      task: string;
      asker: string;
      name: string | null;
      state: JobState;
      text: string;
      /** Whether the text goes behind what is there, or takes its place. */
      piece: boolean;
    };

const JOB_STATES: readonly string[] = [
  "started",
  "update",
  "completed",
  "failed",
  "cancelled",
  "error",
] satisfies JobState[];

/** Values of an object by their names; none if it is not one. */
export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(data: unknown): Fields {
  return typeof data === "object" && data !== null ? (data as Fields) : {};
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function isJobState(value: unknown): value is JobState {
  return typeof value === "string" && JOB_STATES.includes(value);
}

/** Read what a `server-message` says; null for what this page does not know. */
export function newsOf(data: unknown): News | null {
  const fields = fieldsOf(data);
  switch (fields["trunkline"]) {
    case "line":
      return {
        kind: "line",
        state: textOf(fields["state"]),
        code: numberOf(fields["code"]),
        reason: textOf(fields["reason"]) || null,
      };
    case "active":
      return textOf(fields["task"]) ? { kind: "active", task: textOf(fields["task"]) } : null;
    case "reading":
      return readingOf(fields);
    case "job":
      return jobOf(fields);
    default:
      return null;
  }
}

function readingOf(fields: Fields): News | null {
  const temperature = numberOf(fields["temperature_c"]);
  const target = numberOf(fields["target_c"]);
  return temperature === null || target === null ? null : { kind: "reading", temperature, target };
}

function jobOf(fields: Fields): News | null {
  const [id, task, state] = [textOf(fields["id"]), textOf(fields["task"]), fields["state"]];
  if (!id || !task || !isJobState(state)) {
    return null;
  }
  const asker = textOf(fields["asked_by"]);
  return {
    ...{ kind: "job", id, task, asker, state },
    name: textOf(fields["name"]) || null,
    text: textOf(fields["text"]),
    piece: fields["piece"] === true,
  };
}
