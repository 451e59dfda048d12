import type { App } from "../app";
import type { KeptSession } from "../store/sessions";
import { Button } from "./controls";

/** What is shown before there is a picture. */
export function EmptyPage({ app }: { app: App }) {
  const former = app.former.value;
  return (
    <section class="empty" aria-label="Open a picture">
      <h2>Drop a picture here</h2>
      <p>or paste one, or choose one of yours. Masks are made in this browser.</p>
      <Button icon="open" name="Choose a picture" wide kind="primary" onClick={() => app.pick()} />
      {former && (
        <div class="former">
          <p>{described(former)}</p>
          <button type="button" class="button wide" onClick={() => void app.takeUp()}>
            Restore
          </button>
        </div>
      )}
      <Samples app={app} />
    </section>
  );
}

export function Samples({ app }: { app: App }) {
  const samples = app.about.value?.samples ?? [];
  if (samples.length === 0) return null;
  return (
    <ul class="samples">
      {samples.map(({ name, title, url }) => (
        <li key={name}>
          <button
            type="button"
            aria-label={`Open sample: ${title}`}
            onClick={() => void app.openSample(name, url)}
          >
            <img src={url.replace(/^\//, "./")} alt="" loading="lazy" />
            <span>{title}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function described({ pictures, changed }: KeptSession): string {
  const objects = pictures.reduce((sum, { history }) => sum + history.present.objects.length, 0);
  const when = new Date(changed).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
  return `Kept from ${when}: ${count(pictures.length, "picture")}, ${count(objects, "object")}.`;
}
