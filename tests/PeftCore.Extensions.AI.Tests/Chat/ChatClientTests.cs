using Microsoft.Extensions.AI;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft.Lora;
using PeftCore.Tokenizers;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace PeftCore.Extensions.AI.Tests.Chat;

/// <summary>Answers of the small decoder: streamed, whole, and by adapter.</summary>
public sealed class ChatClientTests
{
    private static readonly ChatMessage[] Question = [new(ChatRole.User, "On Tuesday Miss Harper is to have tea with Margaret.")];

    private TemporaryDirectory _folder = null!;
    private PeftCoreChatClient _client = null!;

    [OneTimeSetUp]
    public void Load()
    {
        _folder = new TemporaryDirectory();
        _client = PeftCoreChatClient.Load(TestModels.Chat(("first", TestModels.SaveAdapter(_folder["first"], 1, TestModels.Llama)),
            ("second", TestModels.SaveAdapter(_folder["second"], 2, TestModels.Llama))));
    }

    [OneTimeTearDown]
    public void Free()
    {
        _client.Dispose();
        _folder.Dispose();
    }

    [Test]
    public async Task An_answer_is_that_of_the_generator_after_the_rendered_conversation()
    {
        using var backend = new CpuBackend(threads: 1);
        using var model = ModelLoader.Load(TestModels.Llama, backend);
        var tokenizer = Tokenizer.FromDirectory(TestModels.Llama);
        int[] prompt = tokenizer.EncodeChat([new("system", "Be brief."), new("user", Question[0].Text)], addGenerationPrompt: true,
            ChatTemplate.BuiltIn("alpaca")).Ids;
        var expected = new Generator(model, backend).Generate(prompt,
            new GenerationOptions { MaxNewTokens = 24, StopTokens = [.. tokenizer.StopIds] }, tokens => tokenizer.Decode([.. tokens]));

        var response = await _client.GetResponseAsync(Question, new ChatOptions { Instructions = "Be brief.", MaxOutputTokens = 24 });

        Assert.That(response.Text, Is.EqualTo(expected.Text));
        Assert.That(response.Usage!.InputTokenCount, Is.EqualTo(prompt.Length));
        Assert.That(response.Usage.OutputTokenCount, Is.EqualTo(expected.Tokens.Count));
        Assert.That(response.ModelId, Is.EqualTo("base-llama"));
    }

    [Test]
    public async Task An_encoder_decoder_answers_after_the_conversation_as_its_source()
    {
        using var backend = new CpuBackend(threads: 1);
        using var model = ModelLoader.Load(TestModels.T5, backend);
        var tokenizer = Tokenizer.FromDirectory(TestModels.T5);
        string source = tokenizer.RenderChat([new("user", "Hello")], addGenerationPrompt: true, ChatTemplate.BuiltIn("chatml"));
        var expected = new Generator(model, backend).Generate(source, tokenizer, new GenerationOptions { MaxNewTokens = 12 });
        using var client = PeftCoreChatClient.Load(new PeftCoreChatOptions
        {
            ModelDirectory = TestModels.T5,
            ChatTemplate = "chatml",
            Threads = 1,
        });

        List<ChatResponseUpdate> updates = [];
        await foreach (var update in client.GetStreamingResponseAsync("Hello", new ChatOptions { MaxOutputTokens = 12 }))
        {
            updates.Add(update);
        }

        var response = updates.ToChatResponse();
        Assert.That(response.Text, Is.EqualTo(expected.Text));
        Assert.That(response.Usage!.OutputTokenCount, Is.EqualTo(expected.Tokens.Count));
        Assert.That(response.Usage.InputTokenCount, Is.EqualTo(tokenizer.Encode(source).Length));
    }

    [TestCase(0f)]
    [TestCase(1f)]
    public async Task Streamed_pieces_are_the_whole_answer(float temperature)
    {
        var options = new ChatOptions { MaxOutputTokens = 30, Temperature = temperature, Seed = temperature > 0 ? 5 : null };

        List<ChatResponseUpdate> updates = [];
        await foreach (var update in _client.GetStreamingResponseAsync(Question, options))
        {
            updates.Add(update);
        }
        var whole = await _client.GetResponseAsync(Question, options);

        Assert.That(updates, Has.Count.GreaterThan(10));
        Assert.That(string.Concat(updates.Select(update => update.Text)), Is.EqualTo(whole.Text));
        Assert.That(updates[^1].FinishReason, Is.EqualTo(whole.FinishReason));
        Assert.That(updates.SkipLast(1).Select(update => update.FinishReason), Has.All.Null);
        Assert.That(updates.Select(update => update.ResponseId).Distinct().Count(), Is.EqualTo(1));
        Assert.That(updates[^1].Contents.OfType<UsageContent>().Single().Details.OutputTokenCount, Is.EqualTo(30));
    }

    [Test]
    public async Task Each_of_many_parallel_calls_gets_the_text_of_its_adapter()
    {
        string[] names = ["base-llama", "first", "second"];
        var alone = new Dictionary<string, string>();
        foreach (string name in names)
        {
            alone[name] = await Ask(name);
        }

        string[] together = await Task.WhenAll(Enumerable.Range(0, 24).Select(i => Task.Run(() => Ask(names[i % 3]))));

        Assert.That(alone.Values.Distinct().Count(), Is.EqualTo(3));
        Assert.That(together, Is.EqualTo(Enumerable.Range(0, 24).Select(i => alone[names[i % 3]])));

        async Task<string> Ask(string name) =>
            (await _client.GetResponseAsync(Question, new ChatOptions { ModelId = name, MaxOutputTokens = 16 })).Text;
    }

    [Test]
    public async Task A_seed_repeats_a_sample_and_without_one_samples_differ()
    {
        var seeded = new ChatOptions { Temperature = 1.5f, Seed = 7, MaxOutputTokens = 24 };
        var free = new ChatOptions { Temperature = 1.5f, MaxOutputTokens = 24 };

        string first = await Ask(seeded), again = await Ask(seeded), drawn = await Ask(free), another = await Ask(free);

        Assert.That(again, Is.EqualTo(first));
        Assert.That(another, Is.Not.EqualTo(drawn));

        async Task<string> Ask(ChatOptions options) => (await _client.GetResponseAsync(Question, options)).Text;
    }

    [Test]
    public async Task A_stop_sequence_ends_the_answer_before_it()
    {
        string whole = (await _client.GetResponseAsync(Question, new ChatOptions { MaxOutputTokens = 24 })).Text;
        string stop = whole[(whole.Length / 2)..(whole.Length / 2 + 3)];

        var response = await _client.GetResponseAsync(Question, new ChatOptions { MaxOutputTokens = 24, StopSequences = [stop] });

        Assert.That(response.Text, Is.EqualTo(whole[..whole.IndexOf(stop, StringComparison.Ordinal)]));
        Assert.That(response.FinishReason, Is.EqualTo(ChatFinishReason.Stop));
    }

    [Test]
    public async Task Too_few_tokens_are_the_finish_reason_length() => Assert.That(
        (await _client.GetResponseAsync(Question, new ChatOptions { MaxOutputTokens = 1 })).FinishReason,
        Is.EqualTo(ChatFinishReason.Length));

    [Test]
    public async Task Raw_options_are_those_of_the_generator()
    {
        var response = await _client.GetResponseAsync(Question, new ChatOptions
        {
            MaxOutputTokens = 6,
            RawRepresentationFactory = _ => new GenerationOptions { NumBeams = 3, MinNewTokens = 6 },
        });

        Assert.That(response.Usage!.OutputTokenCount, Is.EqualTo(6));
    }

    [Test]
    public async Task A_cancelled_call_ends_and_others_are_answered()
    {
        using var cancel = new CancellationTokenSource();
        var cancelled = Task.Run(async () =>
        {
            await foreach (var _ in _client.GetStreamingResponseAsync(Question, new ChatOptions { MaxOutputTokens = 200 }, cancel.Token))
            {
                await cancel.CancelAsync();
            }
        });

        Assert.That(async () => await cancelled, Throws.InstanceOf<OperationCanceledException>());
        Assert.That((await _client.GetResponseAsync(Question, new ChatOptions { MaxOutputTokens = 4 })).Text, Is.Not.Empty);
    }

    [Test]
    public async Task A_call_that_is_cancelled_before_it_begins_is_not_answered()
    {
        using var cancel = new CancellationTokenSource();
        await cancel.CancelAsync();

        Assert.That(async () => await _client.GetResponseAsync(Question, cancellationToken: cancel.Token),
            Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task An_adapter_that_replaces_parameters_of_the_base_answers_beside_others()
    {
        string replacing = TestModels.SaveAdapter(_folder["replacing"], 3, TestModels.Llama,
            config: new LoraConfig { Rank = 4, Init = LoraInit.Random, ModulesToSave = ["lm_head"] });
        using var client = PeftCoreChatClient.Load(TestModels.Chat(("first", _folder["first"]), ("replacing", replacing)));
        string[] names = ["first", "replacing"];
        string[] alone = [await Ask(names[0]), await Ask(names[1])];

        string[] together = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => Ask(names[i % 2]))));

        Assert.That(alone[0], Is.Not.EqualTo(alone[1]));
        Assert.That(together, Is.EqualTo(Enumerable.Range(0, 8).Select(i => alone[i % 2])));

        async Task<string> Ask(string name) =>
            (await client.GetResponseAsync(Question, new ChatOptions { ModelId = name, MaxOutputTokens = 8 })).Text;
    }

    [Test]
    public async Task A_request_that_is_longer_than_a_row_of_the_batch_is_answered_alone()
    {
        var options = TestModels.Chat();
        options.MaxTokens = 16;
        using var client = PeftCoreChatClient.Load(options);
        var request = new ChatOptions { MaxOutputTokens = 20 };

        var alone = await client.GetResponseAsync(Question, request);

        Assert.That(alone.Text, Is.EqualTo((await _client.GetResponseAsync(Question, request)).Text));
    }

    [Test]
    public void A_full_queue_refuses_a_request()
    {
        var options = TestModels.Chat();
        (options.MaxConcurrentRequests, options.MaxQueuedRequests) = (1, 1);
        using var client = PeftCoreChatClient.Load(options);

        var all = Task.WhenAll(Enumerable.Range(0, 8).Select(_ =>
            Task.Run(() => client.GetResponseAsync(Question, new ChatOptions { MaxOutputTokens = 200 }))));

        Assert.That(async () => await all, Throws.TypeOf<QueueFullException>());
    }

    [Test]
    public void A_model_that_is_disposed_ends_the_calls_under_way()
    {
        var model = PeftCoreModel.Load(TestModels.Chat());
        using var client = new PeftCoreChatClient(model);
        var begun = new TaskCompletionSource();
        var shared = Task.Run(() => ReadAsync(new GenerationOptions { MinNewTokens = 400, MaxNewTokens = 400 }));
        var alone = Task.Run(() => ReadAsync(new GenerationOptions
        {
            MinNewTokens = 400,
            MaxNewTokens = 400,
            KvCacheDType = PeftCore.Tensors.DType.BF16,
        }));

        Assert.That(async () => await begun.Task, Throws.Nothing);
        model.Dispose();

        Assert.That(async () => await shared, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(async () => await alone, Throws.TypeOf<ObjectDisposedException>().Or.InstanceOf<OperationCanceledException>());

        async Task ReadAsync(GenerationOptions generation)
        {
            var options = new ChatOptions { RawRepresentationFactory = _ => generation };
            await foreach (var _ in client.GetStreamingResponseAsync(Question, options))
            {
                begun.TrySetResult();
            }
        }
    }

    [Test]
    public async Task A_stream_that_is_not_read_to_its_end_frees_its_adapter()
    {
        using var model = PeftCoreModel.Load(TestModels.Chat(("first", _folder["first"])));
        using var client = new PeftCoreChatClient(model, "first");
        await foreach (var _ in client.GetStreamingResponseAsync(Question, new ChatOptions { MaxOutputTokens = 200 }))
        {
            break;
        }

        model.RemoveAdapter("first");
        model.Dispose();

        Assert.That(model.Model.AdapterNames, Is.Empty);
    }

    [Test]
    public void A_model_that_is_not_there_is_named() => Assert.That(
        async () => await _client.GetResponseAsync(Question, new ChatOptions { ModelId = "third" }),
        Throws.TypeOf<BadInputException>().With.Message.EqualTo(
            "there is no model \"third\"; expected \"base-llama\" or \"first\" or \"second\""));

    [Test]
    public void A_disposed_client_says_so()
    {
        var client = PeftCoreChatClient.Load(TestModels.Chat());
        client.Dispose();
        client.Dispose();

        Assert.That(async () => await client.GetResponseAsync(Question), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_model_without_a_template_names_the_built_in_ones()
    {
        using var client = PeftCoreChatClient.FromDirectory(TestModels.Llama);

        Assert.That(async () => await client.GetResponseAsync(Question),
            Throws.TypeOf<BadInputException>().With.Message.Contains("no chat template").And.Message.Contains("chatml"));
    }

    [Test]
    public void An_encoder_is_refused() => Assert.That(() => PeftCoreChatClient.FromDirectory(TestModels.Bert),
        Throws.TypeOf<BadInputException>().With.Message.Contains("writes no text"));

    [Test]
    public void Services_are_the_metadata_the_model_and_the_client_itself()
    {
        Assert.That(_client.GetService<ChatClientMetadata>()!.DefaultModelId, Is.EqualTo("base-llama"));
        Assert.That(_client.GetService<PeftCoreModel>()!.AdapterNames, Is.EqualTo(new[] { "first", "second" }));
        Assert.That(_client.GetService<IChatClient>(), Is.SameAs(_client));
        Assert.That(_client.GetService(typeof(IChatClient), "key"), Is.Null);
    }
}
