using System.Runtime.InteropServices;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Models;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

/// <summary>Quantised weights, and models with them, against bitsandbytes 0.50 with transformers and peft.</summary>
public sealed class QuantizedReferenceTests
{
    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

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

    [TestCaseSource(typeof(QuantizedFixture), nameof(QuantizedFixture.All))]
    public void Codes_and_scales_are_those_of_bitsandbytes_to_the_byte(object given)
    {
        var fixture = (QuantizedFixture)given;
        var model = fixture.Load(_backend);
        using var file = WeightSource.OpenFile(fixture["base", "model.safetensors"]);
        foreach (var (path, linear) in QuantizedFixture.LinearsOf(model))
        {
            var weight = linear.Weight.Value;
            foreach (var (part, first, expected) in fixture.StoredParts(file, path, fixture.Format.PartsOf(weight.Shape)))
            {
                byte[] ours = weight.PartOf(first, [expected.Length], DType.U8).ToArray<byte>();
                Assert.That(ours, Is.EqualTo(expected), $"{part} of {path}");
            }
        }
        model.Dispose();
    }

    [Test]
    public void The_maps_are_those_of_bitsandbytes_to_the_bit()
    {
        using var nf4 = WeightSource.OpenFile(TestFiles.Fixture("hf", "llama_nf4_double", "base", "model.safetensors"));
        using var fp4 = WeightSource.OpenFile(TestFiles.Fixture("hf", "llama_fp4", "base", "model.safetensors"));
        const string layer = "model.layers.0.mlp.up_proj.weight.";
        AssertSameBits(DynamicMap.Signed.Values, nf4, layer + "nested_quant_map");
        AssertSameBits(FourBitLevels.NF4, nf4, layer + "quant_map");
        AssertSameBits(FourBitLevels.FP4, fp4, layer + "quant_map");
    }

    [TestCaseSource(typeof(QuantizedFixture), nameof(QuantizedFixture.All))]
    public void Dequantised_weights_are_those_of_bitsandbytes_to_the_bit(object given)
    {
        var fixture = (QuantizedFixture)given;
        var model = fixture.Load(_backend);
        using var file = WeightSource.OpenFile(fixture["base", "expected.safetensors"]);
        int compared = 0;
        foreach (var (path, linear) in QuantizedFixture.LinearsOf(model))
        {
            if (file.TryGet($"dequantized.{path}.weight", out _))
            {
                AssertSameBits(linear.Weight.Value.ToFloats(), file, $"dequantized.{path}.weight");
                compared++;
            }
        }
        // The reference stored none for INT8.
        Assert.That(compared, Is.EqualTo(fixture.Format.QuantizesRows ? 0 : 14));
        model.Dispose();
    }

    [TestCaseSource(typeof(QuantizedFixture), nameof(QuantizedFixture.All))]
    public void Logits_are_those_of_the_reference(object given)
    {
        var fixture = (QuantizedFixture)given;
        var model = fixture.Load(_backend);
        using var expected = WeightSource.OpenFile(fixture["base", "expected.safetensors"]);
        Assert.That(Fixtures.Error(LogitsOf(model, expected), Fixtures.Floats(expected, "logits")), Is.LessThan(1e-5));
        model.Dispose();
    }

    [TestCaseSource(typeof(QuantizedFixture), nameof(QuantizedFixture.All))]
    public void Lora_on_it_trains_as_the_reference_does(object given)
    {
        var fixture = (QuantizedFixture)given;
        using var expected = WeightSource.OpenFile(fixture["lora", "expected.safetensors"]);
        var model = new PeftModel(fixture.Load(_backend));
        model.Load(fixture["lora"], trainable: true);

        Assert.That(Fixtures.Error(LogitsOf(model.Base, expected), Fixtures.Floats(expected, "logits")), Is.LessThan(1e-5));
        float loss = Step(model, expected);
        Assert.That(loss, Is.EqualTo(Fixtures.Floats(expected, "loss")[0]).Within(1e-3).Percent);
        double largest = expected.Names.Where(n => n.StartsWith("grad.", StringComparison.Ordinal))
            .Max(n => Fixtures.Floats(expected, n).Max(Math.Abs));
        foreach (var (name, parameter) in model.Parameters)
        {
            float[] reference = Fixtures.Floats(expected, "grad." + name);
            Assert.That(Fixtures.Error(parameter.Gradient!.ToFloats(), reference, 1e-4 * largest), Is.LessThan(1e-4), name);
            parameter.Value.FreeGradient();
        }
        float[] losses = Train(model, expected);
        Assert.That(Fixtures.Error(losses, Fixtures.Floats(expected, "adamw.losses")), Is.LessThan(1e-5));
        foreach (var (name, parameter) in model.Parameters)
        {
            Assert.That(TrainedError(expected, name, parameter.Value.ToFloats(), largest), Is.LessThan(1e-4), name);
        }
        model.Unload();
        model.Base.Dispose();
    }

    private static float[] LogitsOf(TransformerModel model, WeightSource expected) =>
        Tape.NoGrad(() => model.Outputs(InputsOf(model, expected))).Single().Value.ToFloats();

    private static float Step(PeftModel model, WeightSource expected)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var loss = model.Base.Loss(InputsOf(model.Base, expected),
            Targets.FromLabels(model.Base.Backend, Fixtures.Ints(expected, "in.labels"), (int)expected.Get("in.input_ids").Shape[0]));
        tape.Backward(loss);
        return loss.Item();
    }

    private static float[] Train(PeftModel model, WeightSource expected)
    {
        using var optimizer = new AdamW(model.Parameters, weightDecay: 0.01f);
        float[] losses = new float[5];
        for (int i = 0; i < losses.Length; i++)
        {
            losses[i] = Step(model, expected);
            optimizer.Step(1e-2);
            optimizer.FreeGradients();
        }
        return losses;
    }

    // Adam turns the rounding noise of a gradient that is zero into whole steps: such elements do not count.
    private static double TrainedError(WeightSource expected, string name, float[] ours, double largestGradient)
    {
        float[] gradient = Fixtures.Floats(expected, "grad." + name), reference = Fixtures.Floats(expected, "adamw." + name);
        for (int i = 0; i < ours.Length; i++)
        {
            ours[i] = Math.Abs(gradient[i]) > 1e-5 * largestGradient ? ours[i] : reference[i];
        }
        return Fixtures.Error(ours, reference, 1e-4);
    }

    private static ModelInputs InputsOf(TransformerModel model, WeightSource expected) => ModelInputs.From(model.Backend,
        Fixtures.Ints(expected, "in.input_ids"), (int)expected.Get("in.input_ids").Shape[0], Fixtures.Ints(expected, "in.attention_mask"));

    private static void AssertSameBits(ReadOnlySpan<float> ours, WeightSource file, string name) =>
        Assert.That(MemoryMarshal.Cast<float, int>(ours).ToArray(),
            Is.EqualTo(MemoryMarshal.Cast<byte, int>(file.Get(name).Bytes).ToArray()), name);
}
