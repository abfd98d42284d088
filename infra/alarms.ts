// createAlarms: what an operator must know of; docs/operations.md says what each one means.
import type { Api } from './api.ts';
import type { Queue } from './queue.ts';
import type { Settings } from './settings.ts';
import type { Storage } from './storage.ts';
import type { Training } from './training.ts';

interface Parts {
  settings: Settings;
  api: Api;
  queue: Queue;
  storage: Storage;
  training: Training;
}

export function createAlarms({ settings, api, queue, storage, training }: Parts): void {
  const topic = new aws.sns.Topic('Alerts');
  if (settings.alertEmail !== null)
    new aws.sns.TopicSubscription('AlertsByEmail', {
      topic: topic.arn,
      protocol: 'email',
      endpoint: settings.alertEmail,
    });

  interface Alarm {
    about: string;
    namespace: string;
    metric: string;
    dimensions: Record<string, $util.Input<string>>;
    above: number;
    stat?: string;
    minutes?: number;
  }
  const alarm = (name: string, { about, namespace, metric, dimensions, above, stat = 'Sum', minutes = 5 }: Alarm) =>
    new aws.cloudwatch.MetricAlarm(name, {
      alarmDescription: `${about} See docs/operations.md.`,
      namespace,
      metricName: metric,
      dimensions,
      comparisonOperator: 'GreaterThanThreshold',
      threshold: above,
      ...(stat.startsWith('p') ? { extendedStatistic: stat } : { statistic: stat }),
      period: 60 * minutes,
      evaluationPeriods: 1,
      treatMissingData: 'notBreaching',
      alarmActions: [topic.arn],
      okActions: [topic.arn],
    });

  const waiting = { QueueName: queue.queue.nodes.queue.name };
  alarm('ImagesBuried', {
    about: 'Images are in the dead-letter queue.',
    namespace: 'AWS/SQS',
    metric: 'ApproximateNumberOfMessagesVisible',
    dimensions: { QueueName: queue.dead.nodes.queue.name },
    above: 0,
    stat: 'Maximum',
  });
  alarm('ImagesLate', {
    about: 'An image has waited for an hour.',
    namespace: 'AWS/SQS',
    metric: 'ApproximateAgeOfOldestMessage',
    dimensions: waiting,
    above: 3600,
    stat: 'Maximum',
  });
  const gateway = { ApiId: api.gateway.nodes.api.id };
  alarm('ApiFails', {
    about: 'The API answers 5xx.',
    namespace: 'AWS/ApiGateway',
    metric: '5xx',
    dimensions: gateway,
    above: 5,
  });
  alarm('ApiSlow', {
    about: 'One request in a hundred takes over 10 s.',
    namespace: 'AWS/ApiGateway',
    metric: 'Latency',
    dimensions: gateway,
    above: 10_000,
    stat: 'p99',
    minutes: 15,
  });
  for (const [name, fn] of [
    ['Application', api.app],
    ['EmbedOnCpu', api.embed],
  ] as const) {
    const dimensions = { FunctionName: fn.name };
    alarm(`${name}Errors`, {
      about: 'A Lambda ends in errors.',
      namespace: 'AWS/Lambda',
      metric: 'Errors',
      dimensions,
      above: 5,
    });
    alarm(`${name}Throttled`, {
      about: 'Lambda has no room for more.',
      namespace: 'AWS/Lambda',
      metric: 'Throttles',
      dimensions,
      above: 10,
    });
  }
  alarm('RecordsThrottled', {
    about: 'DynamoDB refuses requests.',
    namespace: 'AWS/DynamoDB',
    metric: 'ThrottledRequests',
    dimensions: { TableName: storage.table.name },
    above: 10,
  });

  const failed = new aws.cloudwatch.EventRule('TrainingFailed', {
    description: 'A training job has failed for good.',
    eventPattern: training.queue.arn.apply((jobQueue) =>
      JSON.stringify({
        source: ['aws.batch'],
        'detail-type': ['Batch Job State Change'],
        detail: { status: ['FAILED'], jobQueue: [jobQueue] },
      }),
    ),
  });
  new aws.cloudwatch.EventTarget('TrainingFailedAlert', { rule: failed.name, arn: topic.arn });
  new aws.sns.TopicPolicy('AlertsFromAws', {
    arn: topic.arn,
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          actions: ['sns:Publish'],
          resources: [topic.arn],
          principals: [{ type: 'Service', identifiers: ['events.amazonaws.com', 'cloudwatch.amazonaws.com'] }],
          conditions: [
            {
              test: 'StringEquals',
              variable: 'aws:SourceAccount',
              values: [aws.getCallerIdentityOutput().accountId],
            },
          ],
        },
      ],
    }).json,
  });
}
