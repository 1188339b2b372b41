using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;
using PeftCore.Data;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Training;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace PeftCore.Extensions.AI.Tests.Training;

/// <summary>Adapters trained in the background, which then serve.</summary>
public sealed class AdapterTrainingTests
{
    private const string Template = """
        {%- for t in tools or [] %}{{ t.function.name + '\n' }}{% endfor %}
        {% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token if m.role == 'assistant' }}{{ '\n' }}{% endfor %}
        {% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}{# answers with <tool_call> #}
        """;

    private const string Call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>";

    private static readonly ChatMessage[] Question = [new(ChatRole.User, "Rain?")];

    private static readonly AIFunctionDeclaration Weather =
        AIFunctionFactory.Create((string city) => city, "weather").AsDeclarationOnly();

    private TemporaryDirectory _folder = null!;
    private string _base = null!;

    [SetUp]
    public void Make()
    {
        _folder = new TemporaryDirectory();
        _base = TestModels.Copy(TestModels.Llama, _folder["chatty"]);
        var (path, json) = TestModels.TokenizerConfig(Template);
        File.WriteAllText(Path.Combine(_base, path), json);
    }

    [TearDown]
    public void Remove() => _folder.Dispose();

    [Test]
    public async Task A_trained_adapter_answers_at_once_and_calls_a_tool()
    {
        using var model = PeftCoreModel.Load(new PeftCoreChatOptions { ModelDirectory = _base, Threads = 1 });
        using var client = new PeftCoreChatClient(model);
        var queue = new AdapterTrainingQueue();
        using var service = Service(model, queue);
        await service.StartAsync(default);
        List<TrainingProgress> steps = [];

        var job = await queue.EnqueueAsync(Request(new Steps(steps), steps: 40));
        var result = await job.Completion;
        var response = await client.GetResponseAsync(Question, new ChatOptions { ModelId = "caller", Tools = [Weather] });
        List<string> asked = [];
        var function = AIFunctionFactory.Create((string city) =>
        {
            asked.Add(city);
            return "no";
        }, "weather");
        var invoking = client.AsBuilder().UseFunctionInvocation(configure: loop => loop.MaximumIterationsPerRequest = 1).Build();
        var invoked = await invoking.GetResponseAsync(Question,
            new ChatOptions { ModelId = "caller", Tools = [function], MaxOutputTokens = 60 });
        await service.StopAsync(default);

        Assert.That(result.Steps, Is.EqualTo(40));
        Assert.That(steps, Has.Count.EqualTo(40));
        Assert.That(steps[^1].Loss, Is.LessThan(steps[0].Loss / 4));
        Assert.That((job.State, job.Progress!.Value.Step), Is.EqualTo((AdapterTrainingState.Completed, 40)));
        Assert.That(Path.Combine(job.Directory!, PeftConfig.FileName), Does.Exist);
        var call = response.Messages.Single().Contents.OfType<FunctionCallContent>().Single();
        Assert.That((call.Name, call.Arguments!["city"]!.ToString()), Is.EqualTo(("weather", "Paris")));
        Assert.That(response.FinishReason, Is.EqualTo(ChatFinishReason.ToolCalls));
        Assert.That(response.Text, Is.Empty);
        Assert.That(asked, Is.EqualTo(new[] { "Paris" }));
        Assert.That(invoked.Messages.SelectMany(message => message.Contents).OfType<FunctionResultContent>().Single().Result?.ToString(),
            Is.EqualTo("no"));
    }

    [Test]
    public async Task A_call_under_way_ends_with_the_adapter_that_it_began_with()
    {
        string first = TestModels.SaveAdapter(_folder["first"], 1, _base), second = TestModels.SaveAdapter(_folder["second"], 2, _base);
        using var model = PeftCoreModel.Load(new PeftCoreChatOptions { ModelDirectory = _base, Threads = 1, Adapters = { ["a"] = first } });
        using var client = new PeftCoreChatClient(model, "a");
        var options = new ChatOptions { MaxOutputTokens = 40 };
        string before = (await client.GetResponseAsync(Question, options)).Text;

        string text = "";
        await foreach (var update in client.GetStreamingResponseAsync(Question, options))
        {
            if (text.Length == 0)
            {
                model.LoadAdapter("a", second);
                Assert.That(model.Model.AdapterNames, Has.Count.EqualTo(2), "the old adapter stays until its last request");
            }
            text += update.Text;
        }
        string after = (await client.GetResponseAsync(Question, options)).Text;

        Assert.That(text, Is.EqualTo(before));
        Assert.That(after, Is.Not.EqualTo(before));
        model.Dispose();
        Assert.That(model.Model.AdapterNames, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_later_training_continues_from_the_serving_adapter_and_a_restart_serves_it_again()
    {
        var options = new PeftCoreChatOptions { ModelDirectory = _base, Threads = 1 };
        List<TrainingProgress> first = [], second = [];
        using (var model = PeftCoreModel.Load(options))
        {
            await Train(model, Request(new Steps(first), steps: 12));
            var job = await Train(model, Request(new Steps(second), steps: 2, continues: true));

            Assert.That(Path.GetFileName(job.Directory), Is.EqualTo("run-2"));
            Assert.That(second[0].Loss, Is.LessThan(first[0].Loss * 0.8));
        }
        using var again = PeftCoreModel.Load(options);
        using var service = Service(again, new AdapterTrainingQueue());
        await service.StartAsync(default);
        await service.StopAsync(default);

        Assert.That(again.AdapterNames, Is.EqualTo(new[] { "caller" }));
    }

    [Test]
    public async Task A_failed_job_says_why_and_the_next_is_trained()
    {
        using var model = PeftCoreModel.Load(new PeftCoreChatOptions { ModelDirectory = _base, Threads = 1 });
        var queue = new AdapterTrainingQueue();
        using var service = Service(model, queue);
        await service.StartAsync(default);

        var bad = await queue.EnqueueAsync(Request(steps: 1, continues: true));
        var good = await queue.EnqueueAsync(Request(steps: 1));

        Assert.That(async () => await bad.Completion, Throws.TypeOf<BadInputException>().With.Message.Contains("no adapter \"caller\""));
        Assert.That((await good.Completion).Steps, Is.EqualTo(1));
        Assert.That(bad.State, Is.EqualTo(AdapterTrainingState.Failed));
        await service.StopAsync(default);
    }

    [Test]
    public async Task A_cancelled_job_does_not_serve_and_a_stopped_host_cancels_those_that_wait()
    {
        using var model = PeftCoreModel.Load(new PeftCoreChatOptions { ModelDirectory = _base, Threads = 1 });
        var queue = new AdapterTrainingQueue();
        using var service = Service(model, queue);
        await service.StartAsync(default);
        var begun = new TaskCompletionSource();

        var running = await queue.EnqueueAsync(Request(new Steps([], begun.SetResult), steps: 100_000));
        var waiting = await queue.EnqueueAsync(Request(steps: 1));
        await begun.Task;
        running.Cancel();
        Assert.That(async () => await running.Completion, Throws.InstanceOf<OperationCanceledException>());
        await waiting.Completion;
        begun = new TaskCompletionSource();
        var stopped = await queue.EnqueueAsync(Request(new Steps([], begun.SetResult), steps: 100_000));
        var never = await queue.EnqueueAsync(Request(steps: 1));
        await begun.Task;
        await service.StopAsync(default);

        Assert.That(async () => await stopped.Completion, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await never.Completion, Throws.InstanceOf<OperationCanceledException>());
        Assert.That((running.State, never.State), Is.EqualTo((AdapterTrainingState.Cancelled, AdapterTrainingState.Cancelled)));
        Assert.That(() => queue.TryEnqueue(Request(), out _), Is.False);
    }

    [Test]
    public void A_full_queue_takes_no_more()
    {
        var queue = new AdapterTrainingQueue(capacity: 1);

        Assert.That(queue.TryEnqueue(Request(), out var first), Is.True);
        Assert.That(queue.TryEnqueue(Request(), out var second), Is.False);
        Assert.That((first!.State, second), Is.EqualTo((AdapterTrainingState.Queued, (AdapterTrainingJob?)null)));
    }

    private static IEnumerable<TestCaseData> Bad() =>
    [
        new TestCaseData(new AdapterTrainingRequest { Adapter = "a/b", Rows = Rows() }, "cannot be called \"a/b\""),
        new TestCaseData(new AdapterTrainingRequest { Adapter = "", Rows = Rows() }, "cannot be called \"\""),
        new TestCaseData(new AdapterTrainingRequest { Adapter = "a", Rows = [] }, "has no rows"),
        new TestCaseData(new AdapterTrainingRequest { Adapter = "a", Rows = Rows(), BatchSize = 0 }, "BatchSize is 0"),
        new TestCaseData(new AdapterTrainingRequest { Adapter = "a", Rows = Rows(), Trainer = new() { OutputDirectory = "x" } },
            "OutputDirectory"),
        new TestCaseData(new AdapterTrainingRequest { Adapter = "a", Rows = Rows(), Continue = true, Config = new LoraConfig() }, "Config"),
    ];

    [TestCaseSource(nameof(Bad))]
    public void A_request_that_cannot_be_trained_is_refused_before_it_waits(AdapterTrainingRequest request, string message) =>
        Assert.That(() => new AdapterTrainingQueue().TryEnqueue(request, out _),
            Throws.TypeOf<BadInputException>().With.Message.Contains(message));

    private async Task<AdapterTrainingJob> Train(PeftCoreModel model, AdapterTrainingRequest request)
    {
        var queue = new AdapterTrainingQueue();
        using var service = Service(model, queue);
        await service.StartAsync(default);
        var job = await queue.EnqueueAsync(request);
        await job.Completion;
        await service.StopAsync(default);
        return job;
    }

    private AdapterTrainingService Service(PeftCoreModel model, AdapterTrainingQueue queue) => new(model, queue,
        Options.Create(new PeftCoreTrainingOptions { OutputDirectory = _folder["adapters"], Threads = 1 }));

    private static List<DataRow> Rows() =>
        [DataRow.OfChat([new("user", "Rain?"), new("assistant", Call)]), DataRow.OfPrompt("weather\nuser: Rain?\nassistant: ", Call)];

    private static AdapterTrainingRequest Request(IProgress<TrainingProgress>? progress = null, int steps = 1, bool continues = false)
    {
        var lora = new LoraConfig { Rank = 16, Alpha = 32, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) };
        return new AdapterTrainingRequest
        {
            Adapter = "caller",
            Rows = Rows(),
            Config = continues ? null : lora,
            Continue = continues,
            Trainer = new TrainerOptions { LearningRate = 1e-2, MaxSteps = steps },
            BatchSize = 2,
            Progress = progress,
        };
    }

    /// <summary>Keeps each step, on the thread that trains.</summary>
    private sealed class Steps(List<TrainingProgress> steps, Action? onFirst = null) : IProgress<TrainingProgress>
    {
        private bool _isBegun;

        public void Report(TrainingProgress value)
        {
            steps.Add(value);
            if (!_isBegun)
            {
                _isBegun = true;
                onFirst?.Invoke();
            }
        }
    }
}
