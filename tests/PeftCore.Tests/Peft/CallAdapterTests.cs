using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tests.Models.Generation;

namespace PeftCore.Tests.Peft;

/// <summary>Which adapters a call runs with belongs to the call, on any number of threads.</summary>
public sealed class CallAdapterTests
{
    private const int Threads = 64;
    private static readonly string[] Names = ["0", "1", "2", "3", "4", "5", "6", "7"];
    private BatchedModels _models = null!;

    private PeftModel Model => _models.Model;

    [SetUp]
    public void Open() => _models = new BatchedModels(transposed: false, adapters: Names.Length, inner: 96);

    [TearDown]
    public void Close() => _models.Dispose();

    [TestCase(false)]
    [TestCase(true)]
    public void Sixty_four_threads_with_eight_adapters_have_the_texts_that_each_request_has_alone(bool batched)
    {
        var requests = BatchedModels.Requests(250, Names);
        int[][] alone = [.. requests.Select(_models.Alone)];
        var generator = new Generator(Model.Base, _models.Backend);
        using var batcher = batched ? new ContinuousBatcher(Model, maxRows: 32, maxQueue: Threads) : null;
        int next = -1, wrong = 0, done = 0;
        var threads = Enumerable.Range(0, Threads).Select(_ => new Thread(() =>
        {
            for (int i = Interlocked.Increment(ref next); i < 2000; i = Interlocked.Increment(ref next))
            {
                var (prompt, options, adapter) = requests[i * 7 % 250];
                var text = batcher?.GenerateAsync(prompt, options, adapter).Result
                    ?? generator.Generate(prompt, options, adapter: adapter);
                Interlocked.Add(ref wrong, text.Tokens.SequenceEqual(alone[i * 7 % 250]) ? 0 : 1);
                Interlocked.Increment(ref done);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        for (int i = 0; threads.Exists(thread => thread.IsAlive); i++)
        {
            Model.SetActive(Names[i % Names.Length]); // The default of calls that name no adapter.
            Thread.Yield();
        }
        Assert.That((done, wrong), Is.EqualTo((2000, 0)));
    }

    [Test]
    public async Task The_adapters_of_a_call_flow_over_await_and_into_tasks()
    {
        float[][] alone = [.. Names.Select(name => Model.WithAdapters([name], Logits))];
        Assert.That(alone.Distinct(new SameFloats()).Count(), Is.EqualTo(Names.Length));
        var tasks = Names.Select(name => Model.WithAdapters([name], async () =>
        {
            await Task.Yield();
            float[] here = Logits();
            float[] inner = await Task.Run(Logits);
            Assert.That(inner, Is.EqualTo(here));
            return here;
        })).ToList();
        Assert.That(await Task.WhenAll(tasks), Is.EqualTo(alone));
        Assert.That(Logits(), Is.EqualTo(alone[^1]), "the active one");
    }

    [Test]
    public void A_call_without_a_name_keeps_the_adapters_that_were_active_when_it_began()
    {
        Model.SetActive("0");
        var options = new GenerationOptions { MaxNewTokens = 10 };
        var changing = new Generator(Model.Base, _models.Backend).Generate([5, 6], options, onToken: (_, _) => Model.SetActive("1"));
        Assert.That(changing.Tokens, Is.EqualTo(_models.Alone(new([5, 6], options, "0"))));
        Assert.That(Model.ActiveAdapters, Is.EqualTo(new[] { "1" }));
    }

    [Test]
    public void Calls_whose_adapter_replaces_parameters_run_alone_and_give_them_back()
    {
        Model.AddAdapter(new LoraConfig { Rank = 2, ModulesToSave = ["lm_head"] }, "head");
        var head = Model.Parameters.Single(p => p.Name.Contains("lm_head", StringComparison.Ordinal)).Parameter;
        _models.Backend.FillNormal(head.Value, 0, 0.3f, 9, 0);
        float[] withHead = Logits();
        Model.SetActive("0");
        float[] zero = Logits();
        Assert.That(withHead, Is.Not.EqualTo(zero));
        int wrong = 0;
        Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            float[] logits = i % 2 == 0 ? Model.WithAdapters(["head"], Logits) : Model.WithAdapters(["0"], Logits);
            Interlocked.Add(ref wrong, logits.AsSpan().SequenceEqual(i % 2 == 0 ? withHead : zero) ? 0 : 1);
        });
        Assert.That(wrong, Is.Zero);
        Assert.That(Logits(), Is.EqualTo(zero));
        Model.SetActive("head");
        Assert.That(Model.WithAdapters(["0"], Logits), Is.EqualTo(zero));
        Assert.That(Model.WithoutAdapters(() => Model.WithAdapters(["head"], Logits)), Is.EqualTo(withHead));
        Assert.That(() => new Generator(Model.Base, _models.Backend).Generate([5], onToken: (_, _) => Model.SetActive("0")),
            Throws.TypeOf<InvalidOperationException>().With.Message.Contains("from inside a call"));
    }

    [Test]
    public void Names_are_checked_before_anything_runs()
    {
        Assert.That(() => Model.WithAdapters(["0", "none"], Logits),
            Throws.TypeOf<BadInputException>().With.Message.Contains("there is no adapter \"none\""));
        Assert.That(() => new Generator(Model.Unload(), _models.Backend).Generate([5], adapter: "0"),
            Throws.TypeOf<BadInputException>().With.Message.Contains("there is no adapter \"0\""));
    }

    [Test]
    public void A_pass_on_a_disposed_model_keeps_no_lock()
    {
        Model.Base.Dispose();
        Assert.That(() => Model.WithAdapters(["0"], Logits), Throws.TypeOf<ObjectDisposedException>());
        // A change waits for passes on other threads: it would wait for ever.
        var change = Task.Run(() => Model.SetActive("1"));
        Assert.That(change.Wait(TimeSpan.FromMinutes(1)), Is.True);
    }

    private float[] Logits()
    {
        using var scope = new TensorScope();
        return Model.Base.Logits(ModelInputs.From(_models.Backend, [5, 6, 7], 1)).ToArray<float>();
    }

    private sealed class SameFloats : IEqualityComparer<float[]>
    {
        public bool Equals(float[]? x, float[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(float[] values) => values[0].GetHashCode();
    }
}
