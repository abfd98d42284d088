// Domain: may a head speak about this image?
import type { ClassificationHead, Mammogram, ResultDomain } from '@versamammo/schema';

export type Domain = ClassificationHead['domain'];

/** `outside`: view or modality is known and not among those of training. `note`: what a reader must know, or null. */
export function checkDomain(
  domain: Domain,
  { view, modality }: Pick<Mammogram, 'view' | 'modality'>,
): { outside: boolean; note: string | null } {
  const facts = [
    { name: 'view', value: view?.value ?? null, allowed: domain.views },
    { name: 'modality', value: modality?.value ?? null, allowed: domain.modalities },
  ];
  const foreign = facts.filter(({ value, allowed }) => value !== null && allowed !== null && !allowed.includes(value));
  const unknown = facts.filter(({ value, allowed }) => value === null && allowed !== null);
  const notes = [
    ...(domain.exploratory ? ['Exploratory: learned from few or indirect labels.'] : []),
    ...foreign.map(
      ({ name, value, allowed }) => `Outside its domain: trained on ${name} ${allowed?.join(', ')}, this is ${value}.`,
    ),
    ...unknown.map(
      ({ name, allowed }) => `Trained on ${name} ${allowed?.join(', ')}; the ${name} of this image is not known.`,
    ),
    ...(domain.condition === null ? [] : [`Holds where ${domain.condition}.`]),
  ];
  return { outside: foreign.length > 0, note: notes.length === 0 ? null : notes.join(' ') };
}

/** The domain as a result carries it. */
export function domainOf(domain: Domain, mammogram: Pick<Mammogram, 'view' | 'modality'>): ResultDomain {
  const { sources, exploratory } = domain;
  return { sources, exploratory, note: checkDomain(domain, mammogram).note };
}
