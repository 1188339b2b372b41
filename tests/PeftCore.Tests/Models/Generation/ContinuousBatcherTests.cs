using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Bottlenecks;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Prompts;

namespace PeftCore.Tests.Models.Generation;

[TestFixture(false)]
[TestFixture(true)]
public sealed class ContinuousBatcherTests(bool transposed)
{
    private BatchedModels _models = null!;

    private PeftModel Model => _models.Model;

    [SetUp]
    public void Open() => _models = new BatchedModels(transposed, adapters: 3);

    [TearDown]
    public void Close() => _models.Dispose();

    [Test]
    public async Task Requests_of_different_adapters_share_steps_and_have_the_texts_they_have_alone([Values(1, 5, 16)] int rows)
    {
        var requests = BatchedModels.Requests(40, "0", "1", PeftModel.NoAdapter, "2");
        _models.Alone(requests[0]); // The model keeps its tables of positions.
        long before = _models.Backend.Memory.CurrentBytes;
        using (var batcher = new ContinuousBatcher(Model, maxRows: rows))
        {
            var texts = await Task.WhenAll(requests.Select(request =>
                batcher.GenerateAsync(request.Prompt, request.Options, request.Adapter)));
            Assert.That(texts.Select(text => text.Tokens), Is.EqualTo(requests.Select(_models.Alone)));
        }
        Assert.That(_models.Backend.Memory.CurrentBytes, Is.EqualTo(before));
    }

    [Test]
    public void A_row_of_a_step_has_the_logits_it_has_alone_to_the_bit([Values(2, 7, 16, 32)] int rows)
    {
        var causal = PeftCore.Models.CausalModel.Of(Model.Base);
        using var batch = new BatchedDecoder(causal, _models.Backend, rows, 40, null);
        var random = new Random(rows);
        string[] names = ["0", "1", PeftModel.NoAdapter, "2"];
        string[] adapters = [.. Enumerable.Range(0, rows).Select(i => names[i % 4])];
        int[][] prompts = [.. adapters.Select((_, i) => (int[])[.. Enumerable.Range(0, 1 + i % 9).Select(_ => random.Next(60))])];
        var alone = new List<CachedDecoder>();
        float[] logits = new float[rows * BatchedModels.Vocabulary];
        for (int row = 0; row < rows; row++)
        {
            var one = new CachedDecoder(causal, _models.Backend, 40);
            alone.Add(one);
            int at = row;
            Model.WithAdapters([adapters[row]], () =>
            {
                batch.Join(prompts[at], 40, logits.AsSpan(0, BatchedModels.Vocabulary));
                return one.Read(prompts[at]);
            });
        }
        for (int step = 0; step < 3; step++)
        {
            int[] tokens = [.. adapters.Select(_ => random.Next(60))];
            Model.WithRowAdapters(adapters, () =>
            {
                batch.Step(tokens, logits);
                return true;
            });
            for (int row = 0; row < rows; row++)
            {
                float[] expected = Model.WithAdapters([adapters[row]], () => alone[row].Read([tokens[row]]));
                Assert.That(logits.AsSpan(row * expected.Length, expected.Length).ToArray(), Is.EqualTo(expected), $"{step} {row}");
            }
        }
        alone.ForEach(one => one.Dispose());
    }

    [Test]
    public async Task Methods_of_other_kinds_share_steps_too()
    {
        _models.Add(new Ia3Config(), "ia3");
        _models.Add(new PromptTuningConfig { NumVirtualTokens = 3 }, "prompt");
        _models.Add(new PrefixTuningConfig { NumVirtualTokens = 2 }, "prefix");
        _models.Add(new LoraConfig { Rank = 2, UseDora = true, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) }, "dora");
        _models.Add(new BottleneckConfig { ReductionFactor = 8 }, "bottleneck");
        Model.Freeze();
        var requests = BatchedModels.Requests(30, "ia3", "0", "prompt", "dora", "prefix", PeftModel.NoAdapter, "bottleneck");
        using var batcher = new ContinuousBatcher(Model, maxRows: 8);
        var texts = await Task.WhenAll(requests.Select(request =>
            batcher.GenerateAsync(request.Prompt, request.Options, request.Adapter)));
        Assert.That(texts.Select(text => text.Tokens), Is.EqualTo(requests.Select(_models.Alone)));
    }
}
