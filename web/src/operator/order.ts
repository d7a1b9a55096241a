/** In which order the sessions of a page are shown. */

import type { SessionInfo } from "./api";
import type { Rates } from "./rates";

/** A session, as it is shown. */
export interface Row {
  info: SessionInfo;
  rates: Rates;
}

export type Column =
  | "id"
  | "state"
  | "assistant"
  | "principal"
  | "task"
  | "age"
  | "idle"
  | "messages_in"
  | "bytes_in"
  | "messages_out"
  | "bytes_out"
  | "resumes"
  | "drops";

export interface Order {
  column: Column;
  descending: boolean;
}

/** As the server lists them: the oldest first. */
export const OLDEST_FIRST: Order = { column: "age", descending: true };

const READ: Record<Column, (row: Row) => string | number> = {
  id: ({ info }) => info.id,
  state: ({ info }) => info.state,
  assistant: ({ info }) => info.assistant,
  principal: ({ info }) => info.principal,
  task: ({ info }) => info.active_tasks.join(" "),
  age: ({ info }) => info.age_s,
  idle: ({ info }) => info.idle_s,
  messages_in: ({ rates }) => rates.received?.messages ?? -1,
  bytes_in: ({ rates }) => rates.received?.bytes ?? -1,
  messages_out: ({ rates }) => rates.sent?.messages ?? -1,
  bytes_out: ({ rates }) => rates.sent?.bytes ?? -1,
  resumes: ({ info }) => info.resumes,
  drops: ({ info }) => dropsOf(info),
};

/** Words are asked for from A, numbers from the largest. */
const WORDS: readonly Column[] = ["id", "state", "assistant", "principal", "task"];

/** What was never to cross is no loss; see docs/telemetry.md. */
const NO_LOSS = new Set(["home", "local"]);

/** How many messages of a session were lost or refused. */
export function dropsOf(info: SessionInfo): number {
  return [info.received.drops, info.sent.drops]
    .flatMap((drops) => Object.entries(drops))
    .filter(([reason]) => !NO_LOSS.has(reason))
    .reduce((sum, [, count]) => sum + count, 0);
}

/** Sort rows; those that are alike stay in the order of the server. */
export function sorted(rows: readonly Row[], order: Order): Row[] {
  const read = READ[order.column];
  const sign = order.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [read(a), read(b)];
    return x === y ? 0 : sign * (x < y ? -1 : 1);
  });
}

/** What a press on a column's button asks for. */
export function pressed(order: Order, column: Column): Order {
  if (order.column === column) return { column, descending: !order.descending };
  return { column, descending: !WORDS.includes(column) };
}
