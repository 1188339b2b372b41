using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;
using PeftCore.Data;

namespace PeftCore.Extensions.AI.Tests.Hosting;

/// <summary>Activities and metrics have the names of the OpenTelemetry conventions for generative AI.</summary>
public sealed class TelemetryTests
{
    [Test]
    public async Task An_answer_is_an_activity_with_the_request_the_usage_and_the_finish_reason()
    {
        using var client = Client("told");
        using var listener = new Activities("told");

        var response = await client.GetResponseAsync("Hello",
            new ChatOptions { MaxOutputTokens = 5, Temperature = 0.5f, TopP = 0.5f, TopK = 9, Seed = 3, StopSequences = ["\n\n"] });

        var activity = listener.Ended.Single();
        Assert.That((activity.DisplayName, activity.Kind), Is.EqualTo(("chat told", ActivityKind.Internal)));
        var tags = activity.TagObjects.ToDictionary(tag => tag.Key, tag => tag.Value);
        Assert.That(tags["gen_ai.operation.name"], Is.EqualTo("chat"));
        Assert.That(tags["gen_ai.provider.name"], Is.EqualTo("peftcore"));
        Assert.That(tags["gen_ai.request.max_tokens"], Is.EqualTo(5));
        Assert.That(tags["gen_ai.request.temperature"], Is.EqualTo(0.5));
        Assert.That(tags["gen_ai.request.top_p"], Is.EqualTo(0.5));
        Assert.That(tags["gen_ai.request.top_k"], Is.EqualTo(9.0));
        Assert.That(tags["gen_ai.request.seed"], Is.EqualTo(3L));
        Assert.That(tags["gen_ai.request.stop_sequences"], Is.EqualTo(new[] { "\n\n" }));
        Assert.That(tags["gen_ai.response.id"], Is.EqualTo(response.ResponseId));
        Assert.That(tags["gen_ai.response.finish_reasons"], Is.EqualTo(new[] { response.FinishReason!.Value.Value }));
        Assert.That(tags["gen_ai.usage.input_tokens"], Is.EqualTo((int)response.Usage!.InputTokenCount!));
        Assert.That(tags["gen_ai.usage.output_tokens"], Is.EqualTo((int)response.Usage.OutputTokenCount!));
    }

    [Test]
    public async Task An_answer_is_measured_and_a_streamed_one_by_its_chunks()
    {
        using var client = Client("measured");
        using var listener = new Measurements("gen_ai.request.model", "measured");

        var response = await client.GetResponseAsync("Hello", new ChatOptions { MaxOutputTokens = 5 });
        Assert.That(listener.Of("gen_ai.client.operation.duration").Single(), Is.GreaterThan(0));
        Assert.That(listener.Of("gen_ai.client.token.usage", ("gen_ai.token.type", "input")).Single(),
            Is.EqualTo(response.Usage!.InputTokenCount));
        Assert.That(listener.Of("gen_ai.client.token.usage", ("gen_ai.token.type", "output")).Single(), Is.EqualTo(5));
        Assert.That(listener.Of("gen_ai.client.operation.time_to_first_chunk"), Is.Empty);

        int updates = 0;
        await foreach (var _ in client.GetStreamingResponseAsync("Hello", new ChatOptions { MaxOutputTokens = 5 }))
        {
            updates++;
        }
        Assert.That(listener.Of("gen_ai.client.operation.time_to_first_chunk"), Has.Count.EqualTo(1));
        Assert.That(listener.Of("gen_ai.client.operation.time_per_output_chunk"), Has.Count.EqualTo(updates - 1));
        Assert.That(listener.Of("gen_ai.client.operation.duration"), Has.Count.EqualTo(2));
    }

    [Test]
    public void A_refused_request_has_the_type_of_its_error()
    {
        using var client = Client("refused");
        using var activities = new Activities("refused");
        using var listener = new Measurements("gen_ai.request.model", "refused");

        Assert.That(async () => await client.GetResponseAsync("Hello", new ChatOptions { TopK = -1 }), Throws.TypeOf<BadInputException>());

        Assert.That(activities.Ended.Single().Status, Is.EqualTo(ActivityStatusCode.Error));
        Assert.That(listener.Of("gen_ai.client.operation.duration", ("error.type", typeof(BadInputException).FullName!)),
            Has.Count.EqualTo(1));
        Assert.That(listener.Of("gen_ai.client.token.usage"), Is.Empty);
    }

    [Test]
    public async Task Embeddings_are_measured()
    {
        using var generator = PeftCoreEmbeddingGenerator.Load(new PeftCoreEmbeddingOptions
        {
            ModelDirectory = TestModels.Bert,
            ModelId = "embedder",
        });
        using var activities = new Activities("embedder");
        using var listener = new Measurements("gen_ai.request.model", "embedder");

        var embeddings = await generator.GenerateAsync(["a", "b"]);

        var activity = activities.Ended.Single();
        Assert.That(activity.DisplayName, Is.EqualTo("embeddings embedder"));
        Assert.That(activity.GetTagItem("gen_ai.embeddings.dimension.count"), Is.EqualTo(192));
        Assert.That(listener.Of("gen_ai.client.token.usage", ("gen_ai.operation.name", "embeddings")).Single(),
            Is.EqualTo(embeddings.Usage!.InputTokenCount));
    }

    [Test]
    public async Task Training_is_measured_step_by_step()
    {
        using var folder = new TemporaryDirectory();
        using var model = PeftCoreModel.Load(TestModels.Chat());
        var queue = new AdapterTrainingQueue();
        using var service = new AdapterTrainingService(model, queue,
            Options.Create(new PeftCoreTrainingOptions { OutputDirectory = folder.FullPath, Threads = 1 }));
        using var activities = new Activities("trained", "peftcore.adapter.name");
        using var listener = new Measurements("peftcore.adapter.name", "trained");
        await service.StartAsync(default);

        var job = await queue.EnqueueAsync(new AdapterTrainingRequest
        {
            Adapter = "trained",
            Rows = [DataRow.OfPrompt("a", " b c d")],
            Trainer = new() { MaxSteps = 3 },
        });
        await job.Completion;
        await service.StopAsync(default);

        Assert.That(listener.Of("peftcore.training.loss"), Has.Count.EqualTo(3).And.All.GreaterThan(0));
        Assert.That(listener.Of("peftcore.training.throughput"), Has.Count.EqualTo(3).And.All.GreaterThan(0));
        Assert.That(listener.Of("peftcore.training.memory.peak"), Has.Count.EqualTo(3).And.All.GreaterThan(0));
        Assert.That(listener.Of("peftcore.training.steps").Sum(), Is.EqualTo(3));
        Assert.That(listener.Of("peftcore.training.duration"), Has.Count.EqualTo(1));
        Assert.That(activities.Ended.Single().GetTagItem("peftcore.training.steps"), Is.EqualTo(3));
    }

    private static PeftCoreChatClient Client(string name)
    {
        var options = TestModels.Chat();
        options.ModelId = name;
        return PeftCoreChatClient.Load(options);
    }

    /// <summary>The activities of one model that have ended.</summary>
    private sealed class Activities : IDisposable
    {
        private readonly ActivityListener _listener;

        public Activities(string value, string tag = "gen_ai.request.model")
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == PeftCoreTelemetry.SourceName,
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
                ActivityStopped = activity =>
                {
                    if (value.Equals(activity.GetTagItem(tag)))
                    {
                        Ended.Add(activity);
                    }
                },
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public List<Activity> Ended { get; } = [];

        public void Dispose() => _listener.Dispose();
    }

    /// <summary>The measurements that have a tag of one value.</summary>
    private sealed class Measurements : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly Lock _lock = new();
        private readonly List<(string Name, double Value, Dictionary<string, object?> Tags)> _all = [];
        private readonly (string Key, string Value) _tag;

        public Measurements(string key, string value)
        {
            _tag = (key, value);
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == PeftCoreTelemetry.MeterName)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<double>((instrument, number, tags, _) => Add(instrument, number, tags));
            _listener.SetMeasurementEventCallback<long>((instrument, number, tags, _) => Add(instrument, number, tags));
            _listener.SetMeasurementEventCallback<int>((instrument, number, tags, _) => Add(instrument, number, tags));
            _listener.Start();
        }

        public List<double> Of(string name, params (string Key, string Value)[] tags)
        {
            lock (_lock)
            {
                return [.. _all.Where(entry => entry.Name == name
                    && tags.All(tag => tag.Value.Equals(entry.Tags.GetValueOrDefault(tag.Key)))).Select(entry => entry.Value)];
            }
        }

        public void Dispose() => _listener.Dispose();

        private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            Dictionary<string, object?> all = [];
            foreach (var (key, tag) in tags)
            {
                all[key] = tag;
            }
            if (_tag.Value.Equals(all.GetValueOrDefault(_tag.Key)))
            {
                lock (_lock)
                {
                    _all.Add((instrument.Name, value, all));
                }
            }
        }
    }
}
