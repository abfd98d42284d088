// deploy: everything on AWS, in the order in which one needs the other.
import { createAlarms } from './alarms.ts';
import { createApi } from './api.ts';
import { createEnvironment } from './environment.ts';
import { createImages } from './images.ts';
import { createKey } from './key.ts';
import { createNetwork } from './network.ts';
import { createQueue } from './queue.ts';
import { readSettings } from './settings.ts';
import { createStorage } from './storage.ts';
import { createTraining } from './training.ts';
import { createWorker } from './worker.ts';

/** Returns what `sst deploy` prints: the URL, and what `versamammo … --on aws` needs in its environment. */
export function deploy() {
  const settings = readSettings(process.env);
  const key = createKey();
  const network = createNetwork();
  const storage = createStorage(key, settings);
  const queue = createQueue(key);
  const images = createImages(key);
  const training = createTraining({ settings, key, network, storage, images });
  const environment = createEnvironment({ settings, key, storage, queue, training });
  const api = createApi({ settings, key, storage, queue, training, environment });
  const worker = createWorker({ settings, key, network, storage, queue, images, environment });
  createAlarms({ settings, api, queue, storage, training });
  return {
    AWS_REGION: aws.getRegionOutput().region,
    url: api.url,
    worker: worker.service.name,
    workerRepository: images.worker.repositoryUrl,
    trainingRepository: images.training.repositoryUrl,
    ...environment.variables,
  };
}
