/** Profiles: sets of switches that trade accuracy for speed, and what was measured of them. */
import { useEffect, useState } from "preact/hooks";
import { configure, disableProfile, enableProfile, profileConfig, profileStatus } from "../../api/system";
import { fill, percent, text, word } from "../../texts";
import { Button } from "../../ui/button";
import { Select, Toggle } from "../../ui/fields";
import { useAction, useLoaded } from "../../ui/hooks";
import { Badge, Card, Facts, More, Notice, ProblemNotice, Skeleton } from "../../ui/parts";

export function Profiles() {
  const { value, problem, reload } = useLoaded(async () => ({ now: await profileStatus(), set: await profileConfig() }), []);
  const [level, setLevel] = useState("enhanced");
  const [degrade, setDegrade] = useState(false);
  const [turbo, setTurbo] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    if (!value) return;
    const { optimization_profile: profile, auto_optimization: auto, quantum_protocols: quantum } = value.set.configuration;
    if (profile !== "standard") setLevel(profile);
    setDegrade(auto);
    setTurbo(quantum);
  }, [value]);
  const change = useAction(async (act: () => Promise<{ message: string; warnings?: string[] }>) => {
    const { message, warnings = [] } = await act();
    setSaid([message, ...warnings].join(" "));
    reload();
  });
  if (problem) return <Card title={text.profile.title}><ProblemNotice cause={problem} onRetry={reload} /></Card>;
  const metrics = value?.now.performance_metrics;
  return (
    <Card title={text.profile.title} action={value && <Badge tone={value.now.enabled ? "good" : "info"}>{value.now.enabled ? word(text.profiles, value.now.status.optimization_level) : text.profile.off}</Badge>}>
      {!value ? <Skeleton lines={4} /> : (
        <div class="fields">
          <Select label={text.create.profile} value={level} choices={value.set.available_profiles.map((name) => [name, word(text.profiles, name)])} onChange={setLevel} />
          <div class="row wrap">
            <Button kind="primary" small busy={change.busy} onClick={() => change.run(() => enableProfile(level))}>{text.profile.enable}</Button>
            <Button small busy={change.busy} disabled={!value.now.enabled} onClick={() => change.run(disableProfile)}>{text.profile.disable}</Button>
          </div>
          {said && <Notice tone="good" live>{said}</Notice>}
          {change.problem !== null && <ProblemNotice cause={change.problem} />}
          <Facts rows={[
            [text.profile.speed, metrics?.speed_multiplier == null ? text.common.unmeasured : fill(text.profile.times, { n: metrics.speed_multiplier.toFixed(2) })],
            [text.profile.hits, metrics?.cache_hit_rate == null ? text.common.unmeasured : percent(metrics.cache_hit_rate)],
            [text.profile.success, metrics?.success_rate == null ? text.common.unmeasured : percent(metrics.success_rate)],
          ]} />
          <More title={text.profile.settings}>
            <div class="fields">
              <Toggle label={text.profile.degrade} hint={text.profile.degradeHint} checked={degrade} onChange={setDegrade} />
              <Toggle label={text.profile.turbo} hint={text.profile.turboHint} checked={turbo} onChange={setTurbo} />
              <div class="row"><Button small busy={change.busy} onClick={() => change.run(() => configure({ optimization_profile: level, auto_optimization: degrade, quantum_protocols: turbo, performance_monitoring: true }))}>{text.profile.save}</Button></div>
              {value.now.unavailable.length > 0 && <ul class="plain-list">{value.now.unavailable.map(({ setting, reason }) => <li key={setting}><b>{setting.replaceAll("_", " ")}</b> {reason}</li>)}</ul>}
            </div>
          </More>
        </div>
      )}
    </Card>
  );
}
