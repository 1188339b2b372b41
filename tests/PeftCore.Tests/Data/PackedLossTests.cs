using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Data;

/// <summary>Packing gives the same loss and the same gradients as the separate samples.</summary>
public sealed class PackedLossTests
{
    [TestCase("llama")]
    [TestCase("gpt2")]
    public void A_packed_batch_has_the_loss_and_gradients_of_its_samples_one_by_one(string family)
    {
        var random = new Random(8);
        Example[] samples = [.. Enumerable.Range(0, 9).Select(_ => Sample(random, random.Next(2, 14)))];
        using var backend = new CpuBackend(2);
        using var scope = new TensorScope();
        var model = ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), backend);
        model.SetRequiresGrad(true);
        (float packedLoss, var packed) = Run(model, backend, samples, packInto: 24);
        (float plainLoss, var plain) = Run(model, backend, samples, packInto: null);
        Assert.That(packedLoss, Is.EqualTo(plainLoss).Within(1e-5f));
        float largest = plain.Values.Max(g => g.Max(Math.Abs));
        using (Assert.EnterMultipleScope())
        {
            foreach ((string name, float[] gradient) in plain)
            {
                Assert.That(Fixtures.Error(packed[name], gradient, 1e-4 * largest), Is.LessThan(1e-4), name);
            }
        }
        model.Dispose();
    }

    private static (float Loss, Dictionary<string, float[]> Gradients) Run(TransformerModel model, Backend backend, Example[] samples,
        int? packInto)
    {
        var options = new LoaderOptions { BatchSize = 99, PadId = 5, PackInto = packInto };
        var batch = new DataLoader(samples, options).Next();
        Assert.That(batch.CausalRanges is not null, Is.EqualTo(packInto is not null));
        using var tape = new Tape();
        var inputs = ModelInputs.From(backend, batch.InputIds, batch.BatchSize, positions: batch.Positions, ranges: batch.CausalRanges);
        var loss = model.Loss(inputs, Targets.FromLabels(backend, batch.Labels, batch.BatchSize));
        tape.Backward(loss);
        var gradients = new Dictionary<string, float[]>();
        foreach (var (path, parameter) in model.NamedParameters())
        {
            gradients[path] = parameter.Gradient!.ToArray<float>();
            parameter.Value.FreeGradient();
        }
        return (loss.Item(), gradients);
    }

    // Half of each sample is a prompt that is not learned.
    private static Example Sample(Random random, int length)
    {
        int[] ids = [.. Enumerable.Range(0, length).Select(_ => random.Next(97))];
        return new Example(ids, [.. ids.Select((id, i) => i < (length + 1) / 2 ? Example.Masked : id)]);
    }
}
