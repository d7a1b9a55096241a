import { useState } from "preact/hooks";

import type { SessionPage } from "../api";
import { pressed, sorted } from "../order";
import type { Column, Order } from "../order";
import type { Question } from "../questions";
import { PAGE_SIZE } from "../watch";
import type { View, Watch } from "../watch";
import { counted, whole } from "../words";
import { SessionRow } from "./session_row";

const COLUMNS: readonly { column: Column; title: string; number: boolean; said?: string }[] = [
  { column: "id", title: "Session", number: false },
  { column: "state", title: "State", number: false },
  { column: "assistant", title: "Assistant", number: false },
  { column: "principal", title: "Principal", number: false },
  { column: "task", title: "Active task", number: false },
  { column: "age", title: "Age", number: true },
  {
    column: "messages_in",
    title: "In msg/s",
    number: true,
    said: "messages a second from the caller",
  },
  { column: "bytes_in", title: "In B/s", number: true, said: "bytes a second from the caller" },
  {
    column: "messages_out",
    title: "Out msg/s",
    number: true,
    said: "messages a second to the caller",
  },
  { column: "bytes_out", title: "Out B/s", number: true, said: "bytes a second to the caller" },
  { column: "resumes", title: "Resumes", number: true },
  { column: "drops", title: "Drops", number: true },
];

/** The sessions of one page. */
export function Sessions({
  view,
  page,
  watch,
  order,
  setOrder,
  ask,
}: {
  view: View;
  page: SessionPage;
  watch: Watch;
  order: Order;
  setOrder: (order: Order) => void;
  ask: (question: Question) => void;
}) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = (id: string) => {
    const left = [...open].filter((one) => one !== id);
    setOpen(new Set(open.has(id) ? left : [...left, id]));
  };
  if (page.sessions.length === 0) return <Empty view={view} />;
  return (
    <>
      <SortChoice order={order} setOrder={setOrder} />
      <div class="scroll">
        <table class="sessions" role="table">
          <caption class="unseen">Sessions, with what crosses their lines</caption>
          <thead role="rowgroup">
            <tr role="row">
              {COLUMNS.map((one) => (
                <Head key={one.column} {...one} order={order} setOrder={setOrder} />
              ))}
              <th scope="col" role="columnheader">
                <span class="unseen">Doings</span>
              </th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {sorted(view.rows, order).map((row) => (
              <SessionRow
                key={row.info.id}
                row={row}
                columns={COLUMNS.length + 1}
                open={open.has(row.info.id)}
                live={view.phase.name !== "gone"}
                toggle={toggle}
                choose={(principal) => {
                  watch.filter({ ...view.filters, principal });
                }}
                ask={ask}
              />
            ))}
          </tbody>
        </table>
      </div>
      <Pages view={view} page={page} watch={watch} />
    </>
  );
}

function Head({
  column,
  title,
  number,
  said,
  order,
  setOrder,
}: {
  column: Column;
  title: string;
  number: boolean;
  said?: string;
  order: Order;
  setOrder: (order: Order) => void;
}) {
  const here = order.column === column;
  const way = order.descending ? "descending" : "ascending";
  return (
    <th
      scope="col"
      role="columnheader"
      class={number ? "number" : ""}
      aria-sort={here ? way : "none"}
    >
      <button
        type="button"
        onClick={() => {
          setOrder(pressed(order, column));
        }}
      >
        {title}
        {said !== undefined && <span class="unseen">, {said}</span>}
        <span class="arrow" aria-hidden="true">
          {here ? (order.descending ? "↓" : "↑") : ""}
        </span>
      </button>
    </th>
  );
}

/** Where there is no room for a head, as on a phone. */
function SortChoice({ order, setOrder }: { order: Order; setOrder: (order: Order) => void }) {
  return (
    <p class="field sort-choice">
      <label for="sort-by">Sort by</label>
      <select
        id="sort-by"
        value={order.column}
        onChange={(event) => {
          const column = event.currentTarget.value as Column;
          setOrder(pressed({ column: "id", descending: false }, column));
        }}
      >
        {COLUMNS.map(({ column, title }) => (
          <option key={column} value={column}>
            {title}
          </option>
        ))}
      </select>
    </p>
  );
}

function Pages({ view, page, watch }: { view: View; page: SessionPage; watch: Watch }) {
  const before = view.cursors.length - 1;
  if (before === 0 && page.next === null) {
    return <p class="pages quiet">{counted(page.total, "session")}</p>;
  }
  return (
    <nav class="pages" aria-label="Pages of sessions">
      <p class="quiet">
        {whole(page.sessions.length)} of {counted(page.total, "session")}, page {before + 1}, the
        oldest first; a page of {PAGE_SIZE} is sorted by itself
      </p>
      <button
        class="small"
        type="button"
        disabled={before === 0}
        onClick={() => {
          watch.turn("previous");
        }}
      >
        Older
      </button>
      <button
        class="small"
        type="button"
        disabled={page.next === null}
        onClick={() => {
          watch.turn("next");
        }}
      >
        Newer
      </button>
    </nav>
  );
}

function Empty({ view }: { view: View }) {
  const filtered = Object.values(view.filters).some((value) => value !== "");
  return (
    <div class="empty">
      <p>
        <strong>{filtered ? "No session matches." : "Nobody is talking to this server."}</strong>
      </p>
      <p class="quiet">
        {filtered
          ? "Sessions that begin and match are shown here by themselves."
          : "Sessions are shown here by themselves, as callers come."}
      </p>
    </div>
  );
}
