using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Peft;
using PeftCore.Tests.Training;
using PeftCore.Training;

namespace PeftCore.Tests.Optim;

/// <summary>Five steps of LoRA+ and LoRA-FA against those of Hugging Face PEFT 0.21: losses and trained factors.</summary>
public sealed class PeftStepsTests
{
    // The reference ran without weight decay, PEFT's default.
    private static readonly TrainerOptions LoraPlus = new()
    {
        Optimizer = OptimizerKind.LoraPlus, LearningRate = 1e-2, LoraPlusRates = (4, 1e-6), MaxGradNorm = 0,
    };

    private static readonly TrainerOptions LoraFa = new()
    {
        Optimizer = OptimizerKind.LoraFa, LearningRate = 1e-2, WeightDecay = 0.01f, Epsilon = 1e-6f, MaxGradNorm = 0,
    };

    [Test]
    public void Lora_plus_is_that_of_PEFT() => AssertNear(Errors("lora_plus", LoraPlus, likeReference: false), 1e-5, 1e-4);

    [Test]
    public void Lora_fa_with_the_roundings_of_PEFT_is_that_of_PEFT() =>
        AssertNear(Errors("lora_fa", LoraFa, likeReference: true), 1e-5, 1e-4);

    // PEFT rounds g, (A·Aᵀ + δI)⁺ and their product to BF16, each by up to 2⁻⁹. Where the terms of the product nearly cancel, by 99 % in
    // one element here, the roundings are a quarter of ĝ; and Adam's step m/√v does not shrink with ĝ.
    [Test]
    public void Lora_fa_without_them_differs_by_roundings_to_BF16()
    {
        var errors = Errors("lora_fa", LoraFa, likeReference: false);
        AssertNear(errors, 1e-4, 2e-2);
        Assert.That(errors["losses"], Is.GreaterThan(1e-5), "else the roundings need not be repeated");
    }

    private static void AssertNear(Dictionary<string, double> errors, double ofLosses, double ofWeights)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(errors, Has.Count.EqualTo(9)); // The losses, and two factors of each of four layers.
            foreach (var (name, error) in errors)
            {
                Assert.That(error, Is.LessThan(name == "losses" ? ofLosses : ofWeights), name);
            }
        }
    }

    /// <summary>The errors of the losses before each step, and of the factors after the last, each relative to its largest value.</summary>
    private static Dictionary<string, double> Errors(string fixture, TrainerOptions options, bool likeReference)
    {
        const string Prefix = "adamw.";
        string directory = TestFiles.Fixture("hf", "llama", fixture);
        using var expected = WeightSource.OpenFile(Path.Combine(directory, "expected.safetensors"));
        using var backend = new CpuBackend(1);
        var model = new PeftModel(Runs.Model("llama", backend)) { GradientsLikeReference = likeReference };
        model.Load(directory, trainable: true);
        var loader = new DataLoader(Examples(expected), new LoaderOptions { BatchSize = 2, PadId = 0, Shuffle = false });
        float[] losses = Fixtures.Floats(expected, Prefix + "losses");
        float[] ours = new float[losses.Length];
        using (var step = new AdapterStep(model, options))
        {
            for (int number = 0; number < ours.Length; number++)
            {
                ours[number] = (float)step.Run([.. loader.Epoch()], options.LearningRate, number).Loss;
            }
        }
        var errors = model.Parameters.ToDictionary(p => p.Name,
            p => Fixtures.Error(p.Parameter.Value.ToArray<float>(), Fixtures.Floats(expected, Prefix + p.Name)));
        errors.Add("losses", Fixtures.Error(ours, losses));
        return errors;
    }

    /// <summary>The two rows of the batch without their padding, which is on the right.</summary>
    private static Example[] Examples(WeightSource expected)
    {
        int[] ids = Fixtures.Ints(expected, "in.input_ids"), labels = Fixtures.Ints(expected, "in.labels");
        int[] mask = Fixtures.Ints(expected, "in.attention_mask");
        int length = ids.Length / 2;
        return [.. new[] { 0, 1 }.Select(row =>
        {
            var tokens = new Range(row * length, row * length + mask.AsSpan(row * length, length).Count(1));
            return new Example(ids[tokens], labels[tokens]);
        })];
    }
}
