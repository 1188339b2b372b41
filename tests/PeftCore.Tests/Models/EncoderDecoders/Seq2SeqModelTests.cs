using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Prompts;
using PeftCore.Tensors;
using PeftCore.Tests.Nn;

namespace PeftCore.Tests.Models.EncoderDecoders;

[TestFixture("t5")]
[TestFixture("bart")]
[TestFixture("mbart")]
[TestFixture("pegasus")]
public sealed class Seq2SeqModelTests(string family)
{
    private CpuBackend _backend;
    private TensorScope _scope;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(2, poison: true);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void Padding_of_sources_and_targets_changes_no_loss()
    {
        var model = TinyPairs.Of(family, _backend);
        var batch = TinyPairs.Batch();
        double together = model.Loss(batch.ToInputs(model), batch.ToTargets(model)).Item() * batch.TrainableTokens;
        double alone = Enumerable.Range(0, batch.BatchSize).Select(batch.Row)
            .Sum(row => model.Loss(row.ToInputs(model), row.ToTargets(model)).Item() * row.TrainableTokens);
        Assert.That(together, Is.EqualTo(alone).Within(1e-4));
    }

    [Test]
    public void Padding_between_tokens_of_a_source_is_left_out([Values("none", "prompt", "prefix")] string adapter)
    {
        var peft = Adapted(family, adapter);
        if (peft is null)
        {
            return;
        }
        var model = (Seq2SeqModel)peft.Base;
        float[] Logits(int hole)
        {
            // Positions count the padding, so that only what attends to it differs.
            int[] ids = [5, 9, hole, 4, hole, 20, 7, 8, 3, hole, hole, hole], mask = [1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0];
            int[] labels = [7, 8, 3, 12, 6, -100];
            return model.Logits(model.ToInputs(new InputArrays { Ids = ids, BatchSize = 2, Mask = mask, Labels = labels })).ToFloats();
        }
        float[] logits = Logits(11);
        Assert.That(Logits(23), Is.EqualTo(logits).Within(1e-5), "no token attends to what stands there");
        int[] row = [5, 9, 11, 4, 11, 20];
        var all = model.ToInputs(new InputArrays { Ids = row, BatchSize = 1, Labels = [7, 8, 3] });
        Assert.That(model.Logits(all).ToFloats(), Is.Not.EqualTo(logits[..(3 * TinyPairs.Vocabulary)]).Within(1e-3), "the mask matters");
        // A row without holes has the logits that it has alone.
        var alone = model.ToInputs(new InputArrays { Ids = [7, 8, 3], BatchSize = 1, Labels = [12, 6] });
        float[] second = logits[(3 * TinyPairs.Vocabulary)..(5 * TinyPairs.Vocabulary)];
        Assert.That(second, Is.EqualTo(model.Logits(alone).ToFloats()).Within(1e-5));
    }

    [Test]
    public void Padding_between_tokens_gives_the_gradients_of_kept_and_recomputed_blocks()
    {
        float[] Gradient(bool checkpointing)
        {
            var model = TinyPairs.Of(family, _backend);
            model.GradientCheckpointing = checkpointing;
            model.SetRequiresGrad(true);
            using var tape = new Tape();
            int[] mask = [1, 0, 1, 1], labels = [7, 8, 3];
            var inputs = model.ToInputs(new InputArrays { Ids = [5, 9, 11, 4], BatchSize = 1, Mask = mask, Labels = labels });
            tape.Backward(model.Loss(inputs, model.ToTargets([7, 8, 3], 1)));
            return model.TokenEmbedding.Weight.Value.Gradient!.ToFloats();
        }
        float[] kept = Gradient(false);
        Assert.That(Gradient(true), Is.EqualTo(kept).Within(1e-6f * Math.Max(1, kept.Max(Math.Abs))));
    }

    [Test]
    public void Recomputed_blocks_give_the_gradients_of_kept_ones([Values(0f, 0.2f)] float dropout)
    {
        // The gradients of the encoder's states are added up in another order.
        foreach (var (recomputed, kept) in Gradients(dropout, checkpointing: true).Zip(Gradients(dropout, checkpointing: false)))
        {
            Assert.That(recomputed, Is.EqualTo(kept).Within(1e-6f * Math.Max(1, kept.Max(Math.Abs))));
        }
    }

    [Test]
    public void Dropout_acts_in_training_only()
    {
        var (model, plain) = (TinyPairs.Of(family, _backend, dropout: 0.3f), TinyPairs.Of(family, _backend));
        var batch = TinyPairs.Batch();
        float expected = plain.Loss(batch.ToInputs(plain), batch.ToTargets(plain)).Item();
        Assert.That(model.Loss(batch.ToInputs(model), batch.ToTargets(model)).Item(), Is.EqualTo(expected));
        model.Mode.Training = true;
        Assert.That(model.Loss(batch.ToInputs(model), batch.ToTargets(model)).Item(), Is.Not.EqualTo(expected));
    }

    [Test]
    public void Token_by_token_the_decoder_gives_the_logits_of_the_whole_target([Values("none", "prompt", "prefix")] string adapter)
    {
        var peft = Adapted(family, adapter);
        if (peft is null)
        {
            return;
        }
        var model = (Seq2SeqModel)peft.Base;
        int[] source = [5, 9, 4, 20], target = [7, 8, 3, 12];
        var batch = new Collator(TinyPairs.Pad).Collate([Example.Unlabelled(source) with { TargetIds = target }]);
        var inputs = batch.ToInputs(model);
        int[] read = inputs.Decoder!.Ids.ToArray<int>();
        float[] expected = model.Logits(inputs).ToFloats();
        using var decoder = new Seq2SeqDecoder(model, _backend, new InputArrays { Ids = source, BatchSize = 1 }, capacity: 6,
            cacheDType: null, largestBatch: 1);
        for (int t = 0; t < target.Length; t++)
        {
            float[] logits = new float[TinyPairs.Vocabulary];
            decoder.Read([read[t]], logits);
            Assert.That(logits, Is.EqualTo(expected.AsSpan(t * logits.Length, logits.Length).ToArray()).Within(2e-5f), $"token {t}");
        }
    }

    [Test]
    public void Sources_of_different_length_have_the_texts_they_have_alone([Values(1, 3)] int beams)
    {
        var model = TinyPairs.Of(family, _backend);
        int[][] sources = [[5, 9, 4], [7], [3, 3, 8, 20, 11, 6], [30, 4]];
        var options = new GenerationOptions { MaxNewTokens = 7, NumBeams = beams, StopTokens = [4, 9] };
        new Generator(model, _backend).Generate(sources[0], options); // Makes tables that stay.
        long before = _backend.Memory.CurrentBytes;
        var together = new BatchGenerator(model, _backend).Generate(sources, options);
        Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
        for (int i = 0; i < sources.Length; i++)
        {
            Assert.That(together[i].Tokens, Is.EqualTo(new Generator(model, _backend).Generate(sources[i], options).Tokens), $"text {i}");
        }
    }

    [Test]
    public void A_forced_first_token_follows_the_start_token()
    {
        var model = TinyPairs.Of(family, _backend);
        var text = new Generator(model, _backend).Generate([5, 6], new GenerationOptions { MaxNewTokens = 3, ForcedBosTokenId = 17 });
        Assert.That(text.Tokens[0], Is.EqualTo(17));
    }

    [Test]
    public void A_decoder_alone_is_asked_to_continue_texts_and_an_encoder_decoder_is_not()
    {
        var model = TinyPairs.Of(family, _backend);
        Assert.That(() => new CachedDecoder(model, _backend, 4), Throws.TypeOf<BadInputException>()
            .With.Message.EqualTo($"this {family} model is for seq2seq-lm, so it cannot continue a text; load a language model"));
    }

    [Test]
    public void Tables_of_virtual_tokens_have_rows_for_both_stacks()
    {
        var peft = new PeftModel(TinyPairs.Of(family, _backend));
        peft.AddAdapter(new PromptTuningConfig { NumVirtualTokens = 3 });
        Assert.That(peft.Parameters.Single().Parameter.Shape.ToString(), Is.EqualTo("(6, 16)"));
        Assert.That(() => peft.AddAdapter(new PromptTuningConfig { NumVirtualTokens = 3, NumTransformerSubmodules = 1 }, "one"),
            Throws.TypeOf<BadInputException>().With.Message.Contains($"num_transformer_submodules is 1, but this {family} model has 2"));
        Assert.That(() => peft.AddAdapter(new MultitaskPromptTuningConfig { NumVirtualTokens = 3 }, "tasks"),
            Throws.TypeOf<BadInputException>().With.Message.StartsWith($"{family} models have no multitask prompts here"));
        peft.Unload();
    }

    private PeftModel? Adapted(string name, string adapter)
    {
        var peft = new PeftModel(TinyPairs.Of(name, _backend));
        if (adapter == "prompt")
        {
            peft.AddAdapter(new PromptTuningConfig { NumVirtualTokens = 3 });
        }
        if (adapter == "prefix" && name == "t5")
        {
            Assert.That(() => peft.AddAdapter(new PrefixTuningConfig { NumVirtualTokens = 2 }), Throws.TypeOf<BadInputException>()
                .With.Message.StartsWith("the decoder of this t5 model has 3 blocks, and a prefix has keys for the 2 of the encoder only"));
            return null;
        }
        if (adapter == "prefix")
        {
            peft.AddAdapter(new PrefixTuningConfig { NumVirtualTokens = 2 });
        }
        return peft;
    }

    private List<float[]> Gradients(float dropout, bool checkpointing)
    {
        var model = TinyPairs.Of(family, _backend, dropout);
        (model.GradientCheckpointing, model.Mode.Training, model.Mode.Seed) = (checkpointing, true, 3);
        model.SetRequiresGrad(true);
        var batch = TinyPairs.Batch();
        using var tape = new Tape();
        tape.Backward(model.Loss(batch.ToInputs(model), batch.ToTargets(model)));
        return [.. model.NamedParameters().Select(p => p.Parameter.Gradient!.ToFloats())];
    }
}
