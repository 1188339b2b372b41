using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Prompts;
using PeftCore.PublicApi.Tests.Samples;
using PeftCore.Tensors;

namespace PeftCore.PublicApi.Tests;

public sealed class FamilyFromOutsideTests
{
    private Workbench _bench = null!;

    [SetUp]
    public void Open() => _bench = new Workbench();

    [TearDown]
    public void Close() => _bench.Dispose();

    [Test]
    public void Its_directory_loads_by_its_model_type_and_saves_to_the_bit()
    {
        Assert.That(ModelFamilies.ModelTypes, Does.Contain("tiny_decoder"));
        using var model = ModelLoader.Load(_bench["model"], _bench.Backend);
        Assert.That(model, Is.TypeOf<TinyDecoder>());
        Assert.That(model.IsTied);
        ModelWriter.Save(model, _bench["copy"], _bench["model"]);
        using var copy = ModelLoader.Load(_bench["copy"], _bench.Backend);
        Assert.That(_bench.Logits(copy), Is.EqualTo(_bench.Logits(model)));
    }

    [Test]
    public void Lora_trains_on_the_layers_it_registered_and_its_adapter_loads_again()
    {
        var model = _bench.Load();
        model.AddAdapter(new LoraConfig { Rank = 4 });
        Assert.That(model.Parameters.Select(p => p.Name), Has.Some.Contains("layers.0.q_proj.lora_A"));
        var (first, last) = Workbench.Train(model, steps: 30);
        Assert.That(last, Is.LessThan(first));
        model.Save(_bench["adapter"]);
        var loaded = _bench.Load();
        loaded.Load(_bench["adapter"]);
        float[] adapted = _bench.Logits(model);
        Assert.That(_bench.Logits(loaded), Is.EqualTo(adapted));
        ModelWriter.Save(loaded.MergeAndUnload(), _bench["merged"], _bench["model"]);
        using var merged = ModelLoader.Load(_bench["merged"], _bench.Backend);
        Assert.That(_bench.Logits(merged), Is.EqualTo(adapted).Within(1e-5f));
        loaded.Base.Dispose();
        model.Base.Dispose();
    }

    [Test]
    public void A_prefix_trains_on_it()
    {
        var model = _bench.Load();
        model.AddAdapter(new PrefixTuningConfig { NumVirtualTokens = 3 });
        var (first, last) = Workbench.Train(model, steps: 20);
        Assert.That(last, Is.LessThan(first));
        model.Base.Dispose();
    }

    [Test]
    public void Generation_with_cached_keys_chooses_what_the_logits_choose()
    {
        using var model = ModelLoader.Load(_bench["model"], _bench.Backend);
        var answer = new Generator(model, _bench.Backend).Generate([1, 2, 3], new GenerationOptions { MaxNewTokens = 4 });
        List<int> tokens = [1, 2, 3];
        for (int i = 0; i < 4; i++)
        {
            using var scope = new TensorScope();
            float[] logits = model.Logits(ModelInputs.From(_bench.Backend, [.. tokens], batch: 1)).ToFloats();
            float[] next = logits[^model.VocabularySize..];
            tokens.Add(Array.IndexOf(next, next.Max()));
        }
        Assert.That(answer.Tokens, Is.EqualTo(tokens.Skip(3)));
    }

    [Test]
    public void A_model_type_is_registered_once() =>
        Assert.That(TinyDecoder.Register, Throws.ArgumentException.With.Message.Contains("\"tiny_decoder\" is registered already"));
}
