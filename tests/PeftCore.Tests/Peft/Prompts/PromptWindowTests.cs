using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Prompts;
using PeftCore.Tensors;

namespace PeftCore.Tests.Peft;

/// <summary>Prompts before sequences whose tokens see only the last few keys.</summary>
public sealed class PromptWindowTests
{
    [Test]
    public void A_window_counts_what_stands_before_the_sequence_with_a_cache_and_without([Values] bool prefix)
    {
        int[] ids = [.. Enumerable.Range(0, 16).Select(i => 3 + i * 17 % 90)];
        using var backend = new CpuBackend(1, poison: true);
        using var scope = new TensorScope();
        var model = new PeftModel(ModelLoader.Load(TestFiles.Fixture("hf", "mistral", "base"), backend));
        model.AddAdapter(prefix ? new PrefixTuningConfig { NumVirtualTokens = 3 } : new PromptTuningConfig { NumVirtualTokens = 3 },
            seed: 1);
        int vocabulary = model.Base.VocabularySize;
        float[] whole = model.Base.Logits(ModelInputs.From(backend, ids, 1)).ToArray<float>()[^(ids.Length * vocabulary)..];
        using var decoder = new CachedDecoder(model.Base, backend, ids.Length);
        float[] pieces = [.. decoder.ReadAll(ids[..5]), .. decoder.ReadAll(ids[5..6]), .. decoder.ReadAll(ids[6..])];
        Assert.That(Fixtures.Error(pieces, whole), Is.LessThan(1e-5));
        // The last token lies beyond the window of every virtual token, but for what later layers carry on; the window itself must not have
        // moved.
        float[] plain = model.WithoutAdapters(() => model.Base.Logits(ModelInputs.From(backend, ids, 1)).ToArray<float>());
        Assert.That(Fixtures.Error(whole.AsSpan(0, vocabulary), plain.AsSpan(0, vocabulary)), Is.GreaterThan(1e-3),
            "the first token sees them");
        model.Unload();
        model.Base.Dispose();
    }
}
