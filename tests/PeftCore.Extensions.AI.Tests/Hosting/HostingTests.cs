using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace PeftCore.Extensions.AI.Tests.Hosting;

/// <summary>Hosts with PeftCore's services.</summary>
public sealed class HostingTests
{
    private TemporaryDirectory _folder = null!;

    [OneTimeSetUp]
    public void Make()
    {
        _folder = new TemporaryDirectory();
        TestModels.SaveAdapter(_folder["first"], 1, TestModels.Llama);
        TestModels.SaveAdapter(_folder["second"], 2, TestModels.Llama);
    }

    [OneTimeTearDown]
    public void Remove() => _folder.Dispose();

    [Test]
    public async Task A_host_has_the_clients_of_the_model_and_of_each_adapter()
    {
        var messages = new Messages();
        using var host = Build(services =>
        {
            services.AddLogging(logging => logging.AddProvider(messages));
            services.AddPeftCore(Chat).AddAdapter("first", _folder["first"]).AddAdapter("second", _folder["second"]).AddEmbeddings();
        });
        await host.StartAsync();
        var client = host.Services.GetRequiredService<IChatClient>();
        var first = host.Services.GetRequiredKeyedService<IChatClient>("first");
        var options = new ChatOptions { MaxOutputTokens = 12 };

        string plain = (await client.GetResponseAsync("Hello", options)).Text;
        string keyed = (await first.GetResponseAsync("Hello", options)).Text;
        options.ModelId = "first";
        string named = (await client.GetResponseAsync("Hello", options)).Text;
        var vector = await host.Services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>().GenerateVectorAsync("Hello");
        await host.StopAsync();

        Assert.That(keyed, Is.EqualTo(named).And.Not.EqualTo(plain));
        Assert.That(vector.Length, Is.EqualTo(192));
        Assert.That(host.Services.GetRequiredService<PeftCoreModel>().AdapterNames, Is.EqualTo(new[] { "first", "second" }));
        Assert.That(messages.Lines, Has.Some.StartsWith("Loaded base-llama from").And.Some.StartsWith("Adapter second is loaded from"));
    }

    [Test]
    public async Task Functions_are_called_by_the_client_of_Microsoft_Extensions_AI_around_ours()
    {
        using var host = Build(services =>
        {
            services.AddPeftCore(Chat);
            services.AddChatClient(provider => provider.GetRequiredService<PeftCoreChatClient>()).UseFunctionInvocation();
        });
        await host.StartAsync();

        var client = host.Services.GetRequiredService<IChatClient>();
        var response = await client.GetResponseAsync("Hello", new ChatOptions { MaxOutputTokens = 2 });

        Assert.That(response.Usage!.OutputTokenCount, Is.EqualTo(2));
        await host.StopAsync();
    }

    [Test]
    public async Task An_embedding_model_of_its_own_stands_beside_the_chat_model()
    {
        using var host = Build(services => services.AddPeftCore(Chat).AddEmbeddings(options => options.ModelDirectory = TestModels.Bert));
        await host.StartAsync();

        var generator = host.Services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();

        Assert.That(generator.GetService<PeftCoreModel>()!.ModelId, Is.EqualTo("base-bert"));
        Assert.That((await generator.GenerateVectorAsync("Hello")).Length, Is.EqualTo(192));
        await host.StopAsync();
    }

    [Test]
    public async Task Options_come_from_configuration()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["PeftCore:ModelDirectory"] = TestModels.Llama,
            ["PeftCore:ChatTemplate"] = "alpaca",
            ["PeftCore:Adapters:first"] = _folder["first"],
            ["PeftCore:DefaultAdapter"] = "first",
            ["PeftCore:DType"] = "F32",
        });
        builder.Services.Configure<PeftCoreChatOptions>(builder.Configuration.GetSection("PeftCore"));
        builder.Services.AddPeftCore();
        using var host = builder.Build();
        await host.StartAsync();

        var client = host.Services.GetRequiredService<IChatClient>();
        var response = await client.GetResponseAsync("Hello", new ChatOptions { MaxOutputTokens = 2 });

        Assert.That(response.ModelId, Is.EqualTo("first"));
        await host.StopAsync();
    }

    [Test]
    public async Task Training_is_a_hosted_service_whose_adapter_serves()
    {
        using var host = Build(services => services.AddPeftCore(Chat).AddTraining(options =>
        {
            options.OutputDirectory = _folder["trained"];
            options.Threads = 1;
        }));
        await host.StartAsync();
        var queue = host.Services.GetRequiredService<AdapterTrainingQueue>();

        var job = await queue.EnqueueAsync(new AdapterTrainingRequest
        {
            Adapter = "new",
            Rows = [PeftCore.Data.DataRow.OfPrompt("a", " b c")],
            Trainer = new() { MaxSteps = 1 },
        });
        await job.Completion;

        Assert.That(host.Services.GetRequiredService<PeftCoreModel>().AdapterNames, Is.EqualTo(new[] { "new" }));
        await host.StopAsync();
    }

    private static IEnumerable<TestCaseData> BadOptions() =>
    [
        Case(_ => { }, "ModelDirectory is empty"),
        Case(options => options.ModelDirectory = "/nowhere", "there is no such directory"),
        Case(options => options.Adapters["a"] = "/nowhere", "Adapters[\"a\"]: /nowhere has no adapter_config.json"),
        Case(options => options.DefaultAdapter = "a", "DefaultAdapter is \"a\""),
        Case(options => options.Threads = -1, "Threads is -1"),
        Case(options => options.MaxConcurrentRequests = 0, "MaxConcurrentRequests is 0"),
        Case(options => options.MaxOutputTokens = 0, "MaxOutputTokens is 0"),
        Case(options => options.MemoryLimit = 0, "MemoryLimit is 0"),
        Case(options => (options.CreateBackend, options.Threads) = (() => null!, 2), "CreateBackend"),
    ];

    [TestCaseSource(nameof(BadOptions))]
    public void A_host_with_a_wrong_option_does_not_start(Action<PeftCoreChatOptions> configure, string message)
    {
        using var host = Build(services => services.AddPeftCore(configure));

        Assert.That(() => host.StartAsync(), Throws.TypeOf<OptionsValidationException>().With.Message.Contains(message));
    }

    [Test]
    public void A_host_whose_model_cannot_be_loaded_does_not_start()
    {
        Directory.CreateDirectory(_folder["empty"]);
        using var host = Build(services => services.AddPeftCore(options => options.ModelDirectory = _folder["empty"]));

        Assert.That(() => host.StartAsync(), Throws.TypeOf<BadInputException>().With.Message.Contains("no config.json"));
    }

    [Test]
    public void Training_without_an_output_directory_does_not_start()
    {
        using var host = Build(services => services.AddPeftCore(Chat).AddTraining(_ => { }));

        Assert.That(() => host.StartAsync(), Throws.TypeOf<OptionsValidationException>().With.Message.Contains("OutputDirectory is empty"));
    }

    private static void Chat(PeftCoreChatOptions options) =>
        (options.ModelDirectory, options.ChatTemplate, options.Threads) = (TestModels.Llama, "alpaca", 1);

    private static IHost Build(Action<IServiceCollection> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        configure(builder.Services);
        return builder.Build();
    }

    private static TestCaseData Case(Action<PeftCoreChatOptions> configure, string message) => new TestCaseData(
        (PeftCoreChatOptions options) =>
        {
            options.ModelDirectory = message.StartsWith("ModelDirectory is empty", StringComparison.Ordinal) ? "" : TestModels.Llama;
            configure(options);
        }, message).SetArgDisplayNames(message);

    /// <summary>Keeps the lines of the log.</summary>
    private sealed class Messages : ILoggerProvider, ILogger
    {
        private readonly Lock _lock = new();

        public List<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            lock (_lock)
            {
                Lines.Add(formatter(state, exception));
            }
        }

        public void Dispose() { }
    }
}
