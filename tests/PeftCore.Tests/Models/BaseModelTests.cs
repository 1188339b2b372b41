using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

public sealed class BaseModelTests
{
    [TestCase("llama")]
    [TestCase("mistral")]
    [TestCase("qwen2")]
    [TestCase("qwen3")]
    [TestCase("gpt2")]
    public void A_base_model_has_the_reference_logits_loss_and_gradients(string family)
    {
        string directory = TestFiles.Fixture("hf", family, "base");
        using var expected = WeightSource.OpenFile(Path.Combine(directory, "expected.safetensors"));
        using var backend = new CpuBackend(2, poison: true);
        using var scope = new TensorScope();
        var model = ModelLoader.Load(directory, backend);
        int batch = (int)expected.Get("in.input_ids").Shape[0];
        var inputs = ModelInputs.From(backend, Fixtures.Ints(expected, "in.input_ids"), batch,
            Fixtures.Ints(expected, "in.attention_mask"));
        var targets = Targets.FromLabels(backend, Fixtures.Ints(expected, "in.labels"), batch);

        float[] logits = model.Logits(inputs).ToArray<float>();
        Assert.That(Fixtures.Error(logits, Fixtures.Floats(expected, "logits")), Is.LessThan(1e-5));

        model.SetRequiresGrad(true);
        using var tape = new Tape();
        var loss = model.Loss(inputs, targets);
        Assert.That(Fixtures.Error([loss.Item()], Fixtures.Floats(expected, "loss")), Is.LessThan(1e-5));
        tape.Backward(loss);
        double largest = expected.Names.Where(name => name.StartsWith("grad.", StringComparison.Ordinal))
            .Max(name => Fixtures.Floats(expected, name).Max(Math.Abs));
        Assert.Multiple(() =>
        {
            foreach (var (path, parameter) in model.NamedParameters())
            {
                float[] gradient = parameter.Gradient!.ToArray<float>();
                Assert.That(Fixtures.Error(gradient, Fixtures.Floats(expected, "grad." + path), 1e-4 * largest), Is.LessThan(1e-4), path);
            }
        });
        model.Dispose();
    }
}
