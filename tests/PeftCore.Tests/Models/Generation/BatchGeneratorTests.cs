using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Generation;

[TestFixture("llama")]
[TestFixture("gpt2")]
public sealed class BatchGeneratorTests(string family)
{
    private static readonly int[][] Prompts = [[5, 6], [81, 63, 31, 5], [9], [3, 4, 3, 4, 3, 4, 3], [81, 63, 31], [9, 8], [40]];

    private CpuBackend _backend;
    private PeftModel _model;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(2, poison: true);
        _model = new PeftModel(ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), _backend));
    }

    [TearDown]
    public void Close()
    {
        _model.Unload();
        _model.Base.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void Prompts_of_different_length_have_the_texts_they_have_alone([Values(1, 3)] int beams,
        [Values("none", "prompt", "prefix")] string adapter, [Values(1, 4, 32)] int sequences)
    {
        if (adapter != "none")
        {
            _model.Load(TestFiles.Fixture("hf", family, adapter));
        }
        var alone = new Generator(_model.Base, _backend);
        // A token that greedy texts have, so that some end before others.
        int stop = alone.Generate(Prompts[0], new GenerationOptions { MaxNewTokens = 3 }).Tokens[2];
        var options = new GenerationOptions { MaxNewTokens = 8, NumBeams = beams, StopTokens = [stop] };
        long before = _backend.Memory.CurrentBytes;
        var together = new BatchGenerator(_model.Base, _backend, sequences).Generate(Prompts, options, Decode);
        Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
        foreach (var (prompt, text) in Prompts.Zip(together))
        {
            var expected = alone.Generate(prompt, options, Decode);
            Assert.That((text.Text, text.Reason), Is.EqualTo((expected.Text, expected.Reason)), string.Join(' ', prompt));
            Assert.That(text.Tokens, Is.EqualTo(expected.Tokens));
        }
    }

    [Test]
    public void A_prompt_that_fills_the_context_ends_early_and_the_others_do_not()
    {
        int[] filling = [.. Enumerable.Range(0, 61).Select(i => 3 + i)];
        var texts = new BatchGenerator(_model.Base, _backend).Generate([filling, [5, 6]], new GenerationOptions { MaxNewTokens = 6 });
        Assert.That(texts.Select(text => (text.Tokens.Count, text.Reason)),
            Is.EqualTo([(3, FinishReason.ContextFull), (6, FinishReason.MaxNewTokens)]));
    }

    [Test]
    public void No_prompts_have_no_texts_and_a_bad_prompt_is_refused_before_any_text()
    {
        var generator = new BatchGenerator(_model.Base, _backend);
        Assert.That(generator.Generate([], new GenerationOptions()), Is.Empty);
        Assert.That(() => generator.Generate([[5], []], new GenerationOptions()),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the prompt has no tokens"));
    }

    [Test]
    public void One_beam_is_greedy_decoding_and_more_beams_do_not_end_likelier_texts()
    {
        var generator = new Generator(_model.Base, _backend);
        foreach (int[] prompt in Prompts)
        {
            var options = new GenerationOptions { MaxNewTokens = 6 };
            var greedy = generator.Generate(prompt, options);
            var wide = generator.Generate(prompt, options with { NumBeams = 12, NumReturnSequences = 12 });
            Assert.That(generator.Generate(prompt, options with { NumBeams = 1 }).Tokens, Is.EqualTo(greedy.Tokens));
            Assert.That(LogProbability(prompt, wide.Tokens), Is.GreaterThanOrEqualTo(LogProbability(prompt, greedy.Tokens) - 1e-4));
            double[] scores = [.. wide.Alternatives.Prepend(wide).Select(text => LogProbability(prompt, text.Tokens))];
            Assert.That(scores, Is.Ordered.Descending.Using<double>((a, b) => Math.Abs(a - b) < 1e-4 ? 0 : a.CompareTo(b)));
        }
    }

    [Test]
    public void A_cache_of_more_tokens_than_any_memory_holds_is_refused() => Assert.That(
        () => new CachedDecoder(_model.Base, _backend, 20, batch: int.MaxValue),
        Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("2147483647 sequences of 20 tokens are more than the 67108864"));

    [Test]
    public void Sequences_of_a_cache_can_be_exchanged_copied_and_left_out([Values] bool narrow)
    {
        DType? dtype = narrow ? DType.BF16 : null;
        using var decoder = new CachedDecoder(_model.Base, _backend, 20, dtype, batch: 2, largestBatch: 4);
        decoder.Read([5, 6, 7, 8, 9, 10]);
        decoder.Reorder([1, 0, 1, 0]);
        float[] four = decoder.Read([20, 21, 22, 23]);
        decoder.Reorder([3, 2]);
        float[] two = decoder.Read([30, 31]);
        int vocabulary = _model.Base.VocabularySize;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Error(four, 0, [8, 9, 10, 20]), Is.LessThan(1e-5));
            Assert.That(Error(four, 1, [5, 6, 7, 21]), Is.LessThan(1e-5));
            Assert.That(Error(four, 3, [5, 6, 7, 23]), Is.LessThan(1e-5));
            Assert.That(Error(two, 0, [5, 6, 7, 23, 30]), Is.LessThan(1e-5));
            Assert.That(Error(two, 1, [8, 9, 10, 22, 31]), Is.LessThan(1e-5));
            Assert.That(() => decoder.Reorder([0, 2]), Throws.ArgumentException);
            Assert.That(() => decoder.Reorder([0, 0, 0, 0, 0]), Throws.ArgumentException);
        }

        double Error(float[] logits, int row, int[] sequence)
        {
            using var single = new CachedDecoder(_model.Base, _backend, 20, dtype);
            single.Read(sequence.AsSpan(..^1));
            float[] expected = single.Read(sequence.AsSpan(^1..));
            return Fixtures.Error(logits.AsSpan(row * vocabulary, vocabulary).ToArray(), expected);
        }
    }

    private double LogProbability(int[] prompt, IReadOnlyList<int> tokens)
    {
        using var decoder = new CachedDecoder(_model.Base, _backend, 40);
        float[] logits = decoder.Read(prompt);
        double sum = 0;
        foreach (int token in tokens)
        {
            LogitsProcessors.LogSoftmax(logits);
            sum += logits[token];
            logits = decoder.Read([token]);
        }
        return sum;
    }

    private static string Decode(IReadOnlyList<int> ids) => string.Concat(ids.Select(id => $"<{id}>"));
}
