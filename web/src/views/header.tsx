import type { App } from "../app";
import { Button } from "./controls";

const THEME_NAMES = { system: "as the system", light: "light", dark: "dark" } as const;

export function Header({ app }: { app: App }) {
  const { studio } = app;
  const theme = studio.settings.theme.value;
  return (
    <header class="header">
      <h1 class="brand">
        <img src="./icon.svg" alt="" width="24" height="24" /> <span>anymask</span>
      </h1>
      <Button icon="open" name="Open picture" keys="O" wide onClick={() => app.pick()} />
      <Button
        icon="samples"
        name="Samples"
        onClick={() => {
          app.dialog.value = "samples";
        }}
      />
      <Pictures app={app} />
      <span class="space" />
      <Button
        icon="keyboard"
        name="Shortcuts"
        keys="?"
        onClick={() => {
          app.dialog.value = "shortcuts";
        }}
      />
      <Button
        icon="theme"
        name="Theme"
        onClick={() => {
          studio.settings.nextTheme();
          app.notices.tell(`Colours: ${THEME_NAMES[studio.settings.theme.value]}`);
        }}
        keys={THEME_NAMES[theme]}
      />
      <Button
        icon="export"
        name="Export"
        wide
        kind="primary"
        disabled={studio.pictures.value.length === 0}
        onClick={() => {
          app.dialog.value = "export";
        }}
      />
    </header>
  );
}

/** Which of the open pictures is shown. */
function Pictures({ app: { studio } }: { app: App }) {
  const all = studio.pictures.value;
  const current = studio.current.value;
  if (!current) return null;
  const at = all.indexOf(current);
  return (
    <nav class="pictures" aria-label="Pictures">
      {all.length > 1 && (
        <Button
          icon="previous"
          name="Previous picture"
          keys=","
          disabled={at === 0}
          onClick={() => studio.step(-1)}
        />
      )}
      <span class="name" title={current.name}>
        {current.name}
      </span>
      {all.length > 1 && (
        <>
          <span class="count">
            {at + 1} / {all.length}
          </span>
          <Button
            icon="next"
            name="Next picture"
            keys="."
            disabled={at === all.length - 1}
            onClick={() => studio.step(1)}
          />
        </>
      )}
      <Button icon="close" name="Close picture" onClick={() => studio.close(current)} />
    </nav>
  );
}
