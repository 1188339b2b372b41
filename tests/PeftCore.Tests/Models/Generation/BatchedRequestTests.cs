using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Generation;

/// <summary>How requests of a batch end, and what they cannot ask for. No request harms another.</summary>
public sealed class BatchedRequestTests
{
    private static readonly GenerationOptions Long = new() { MaxNewTokens = 30 };
    private BatchedModels _models = null!;

    private PeftModel Model => _models.Model;

    [SetUp]
    public void Open() => _models = new BatchedModels(transposed: false, adapters: 2, inner: 96);

    [TearDown]
    public void Close() => _models.Dispose();

    [Test]
    public async Task A_request_that_is_cancelled_leaves_and_the_others_have_their_texts()
    {
        using var batcher = new ContinuousBatcher(Model);
        using var cancel = new CancellationTokenSource();
        int count = 0;
        var cancelled = batcher.GenerateAsync((int[])[5, 6], Long, "0", (_, _) => CancelAt(3), cancel.Token);
        var other = batcher.GenerateAsync((int[])[7], Long, "1");
        Assert.That(async () => await cancelled, Throws.InstanceOf<OperationCanceledException>());
        Assert.That((await other).Tokens, Is.EqualTo(_models.Alone(new([7], Long, "1"))));
        Assert.That(count, Is.EqualTo(3));

        void CancelAt(int tokens)
        {
            if (++count == tokens)
            {
                cancel.Cancel();
            }
        }
    }

    [Test]
    public async Task A_request_that_fails_ends_alone_with_its_reason()
    {
        Model.AddAdapter(new LoraConfig { Rank = 2 }, "damaged");
        foreach (var (_, parameter) in Model.Parameters)
        {
            _models.Backend.Fill(parameter.Value, float.NaN);
        }
        using var batcher = new ContinuousBatcher(Model);
        var throws = batcher.GenerateAsync((int[])[5, 6], Long, "0", (_, _) => throw new FormatException("of the caller"));
        var damaged = batcher.GenerateAsync((int[])[5, 6], Long, "damaged");
        var other = batcher.GenerateAsync((int[])[5, 6], Long, "1");
        Assert.That(async () => await throws, Throws.TypeOf<FormatException>().With.Message.EqualTo("of the caller"));
        Assert.That(async () => await damaged, Throws.TypeOf<BadInputException>().With.Message.Contains("not a number"));
        Assert.That((await other).Tokens, Is.EqualTo(_models.Alone(new([5, 6], Long, "1"))));
    }

    [Test]
    public async Task Adapters_come_and_go_while_others_are_used()
    {
        using var batcher = new ContinuousBatcher(Model);
        using var deleted = new ManualResetEventSlim();
        var gone = batcher.GenerateAsync((int[])[5, 6], Long, "0", (_, _) => deleted.Wait());
        var other = batcher.GenerateAsync((int[])[7], Long, "1");
        Model.Delete("0");
        Model.AddAdapter(new LoraConfig { Rank = 2 }, "new");
        deleted.Set();
        Assert.That(async () => await gone, Throws.TypeOf<BadInputException>().With.Message.Contains("\"0\" was deleted"));
        Assert.That((await other).Tokens, Is.EqualTo(_models.Alone(new([7], Long, "1"))));
        Assert.That((await batcher.GenerateAsync((int[])[7], Long, "new")).Tokens, Has.Count.EqualTo(30));
    }

    [Test]
    public async Task A_step_that_fails_ends_its_requests_with_the_reason_and_later_ones_run()
    {
        using var batcher = new ContinuousBatcher(Model);
        using var merged = new ManualResetEventSlim();
        var one = batcher.GenerateAsync((int[])[5, 6], Long, "0", (_, _) => merged.Wait());
        var two = batcher.GenerateAsync((int[])[7], Long, "1");
        Model.Merge();
        merged.Set();
        foreach (var task in new[] { one, two })
        {
            Assert.That(async () => await task, Throws.InstanceOf<Exception>().With.Message.Contains("unmerge the adapters"));
        }
        Assert.That(() => batcher.GenerateAsync((int[])[7], Long, "1"), Throws.TypeOf<BadInputException>().With.Message.Contains("merged"));
        Model.Unmerge();
        Assert.That((await batcher.GenerateAsync((int[])[7], Long, "1")).Tokens, Is.EqualTo(_models.Alone(new([7], Long, "1"))));
    }

    [Test]
    public async Task The_queue_has_a_bound_and_disposal_ends_what_waits_and_what_runs()
    {
        var batcher = new ContinuousBatcher(Model, maxRows: 1, maxQueue: 2);
        using var started = new SemaphoreSlim(0);
        using var goOn = new ManualResetEventSlim();
        var running = batcher.GenerateAsync((int[])[5, 6], Long, "0", (_, _) =>
        {
            started.Release();
            goOn.Wait();
            batcher.Dispose(); // On the thread of the batch it returns at once, and the loop ends after this token.
        });
        await started.WaitAsync();
        Task<GenerationResult>[] waiting = [batcher.GenerateAsync((int[])[7], Long, "1"), batcher.GenerateAsync((int[])[8], Long)];
        Assert.That(batcher.QueuedCount, Is.EqualTo(2));
        Assert.That(() => batcher.GenerateAsync((int[])[9], Long), Throws.TypeOf<QueueFullException>().With.Message.Contains("2 requests wait"));
        goOn.Set();
        foreach (var task in waiting.Prepend(running))
        {
            Assert.That(async () => await task, Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("before this text was complete"));
        }
        Assert.That(() => batcher.GenerateAsync((int[])[9], Long), Throws.TypeOf<ObjectDisposedException>());
        batcher.Dispose(); // Waits for the end of the thread.
    }

    [Test]
    public async Task A_stream_has_each_token_and_then_the_result_and_ends_when_it_is_left()
    {
        using var batcher = new ContinuousBatcher(Model);
        var tokens = new List<int>();
        GenerationResult? result = null;
        await foreach (var (token, _, whole) in batcher.StreamAsync((int[])[5, 6], Long, "0"))
        {
            result = whole;
            if (whole is null)
            {
                tokens.Add(token);
            }
        }
        Assert.That(result!.Tokens, Is.EqualTo(tokens).And.EqualTo(_models.Alone(new([5, 6], Long, "0"))));
        await foreach (var (token, _, _) in batcher.StreamAsync((int[])[5, 6], Long, "0"))
        {
            Assert.That(token, Is.EqualTo(tokens[0]));
            break;
        }
        Assert.That((await batcher.GenerateAsync((int[])[5, 6], Long, "0")).Tokens, Is.EqualTo(tokens));
    }

    [Test]
    public void What_cannot_share_a_step_is_refused_by_name()
    {
        using var batcher = new ContinuousBatcher(Model, maxTokens: 20);
        Refused("num_beams is 2", new() { NumBeams = 2 });
        Refused("kv_cache_dtype is BF16, but the keys and values of this batch are F32", new() { KvCacheDType = DType.BF16 });
        Refused("but a row of this batcher holds 20", new() { MaxNewTokens = 30 });
        Refused("there is no adapter \"other\"", new(), "other");
        Refused("the prompt has no tokens", new(), "0", []);
        Model.SetActive("0", "1");
        Refused("adapters 0, 1 run together, but a row has one", new() { MaxNewTokens = 2 });
        Model.AddAdapter(new LoraConfig { Rank = 2, ModulesToSave = ["lm_head"] }, "head");
        Refused("adapter \"head\" replaces parameters of the base", new() { MaxNewTokens = 2 }, "head");
        Assert.That(() => batcher.GenerateAsync("text"), Throws.TypeOf<BadInputException>().With.Message.Contains("has no tokenizer"));

        void Refused(string sentence, GenerationOptions options, string? adapter = null, int[]? prompt = null) =>
            Assert.That(() => batcher.GenerateAsync(prompt ?? [5], options, adapter),
                Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }

    [TestCase(0, 10, 0, 0, "maxRows is 0")]
    [TestCase(4, 0, 0, 0, "maxQueue is 0")]
    [TestCase(4, 10, -1, 0, "maxTokens is -1")]
    [TestCase(4, 10, 40, 100_000, "4 rows of 40 tokens need 102,400 bytes of keys and values, but maxCacheBytes allows 100,000")]
    public void Limits_that_do_not_fit_are_refused(int rows, int queue, int tokens, long bytes, string sentence) =>
        Assert.That(() => new ContinuousBatcher(Model, null, rows, queue, tokens, bytes),
            Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));

    [Test]
    public void Keys_and_values_take_the_bytes_that_were_planned()
    {
        using var batcher = new ContinuousBatcher(Model, maxRows: 4, maxTokens: 40);
        Assert.That(batcher.CacheBytes, Is.EqualTo(102_400).And.EqualTo(_models.Backend.Memory.Current(MemoryKind.Cache)));
        using var smaller = new ContinuousBatcher(Model, maxRows: 4, maxCacheBytes: 50_000, cacheDType: DType.BF16);
        Assert.That(smaller.CacheBytes, Is.EqualTo(4 * 39 * 320));
    }
}
