import { useEffect, useRef } from "preact/hooks";
import type { App } from "../app";
import { mountStage } from "../canvas/mount";

export function StageView({ app }: { app: App }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => (ref.current ? mountStage(ref.current, app) : undefined), [app]);
  const { settings, current, pointed } = app.studio;
  const name = current.value?.name;
  return (
    <div
      ref={ref}
      class="stage"
      data-testid="stage"
      data-tool={settings.tool.value}
      data-panning={app.stage.panning.value || undefined}
      data-pointed={pointed.value >= 0 || undefined}
      role="application"
      aria-label={name ? `Picture ${name}. Arrow keys move the cross, Space clicks there.` : "No picture"}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: an application takes keys
      tabIndex={0}
    >
      <canvas />
      <canvas />
      <canvas />
    </div>
  );
}
