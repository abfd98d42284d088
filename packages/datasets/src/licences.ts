// Licences of the public sets, as their publishers state them.
import type { Licence } from '@versamammo/schema';

export const CC_BY_3: Licence = {
  id: 'CC-BY-3.0',
  url: 'https://creativecommons.org/licenses/by/3.0/',
  releasable: true,
  commercialUse: true,
};

export const CC_BY_4: Licence = {
  id: 'CC-BY-4.0',
  url: 'https://creativecommons.org/licenses/by/4.0/',
  releasable: true,
  commercialUse: true,
};

/** RSNA Screening Mammography challenge rules: non-commercial research and education; vectors are not passed on. */
export const RSNA_RULES: Licence = {
  id: 'RSNA-2022-challenge',
  url: 'https://www.kaggle.com/competitions/rsna-breast-cancer-detection/rules',
  releasable: false,
  commercialUse: false,
};

/** Terms that were not read when the adapter was written: read them at `url`; until then nothing computed is passed on. */
export function unverified(url: string): Licence {
  return { id: 'unverified', url, releasable: false, commercialUse: false };
}

/** Research use under an agreement with the publisher; nothing computed from it is passed on without asking. */
export function researchOnly(id: string, url: string | null): Licence {
  return { id, url, releasable: false, commercialUse: false };
}
