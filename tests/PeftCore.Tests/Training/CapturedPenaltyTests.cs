using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Tests.Nn;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>Captured steps of a method that adds a penalty to the loss.</summary>
public sealed class CapturedPenaltyTests
{
    private const int Steps = 6;

    // AdaLoRA's penalty is weighted by a micro batch's share of the targets, which the host computes: a graph belongs to one weight.
    [Test]
    public void A_penalty_has_the_weight_of_its_own_micro_batch()
    {
        var (values, launches) = Train(capture: true);
        var (expected, _) = Train(capture: false);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Is.EqualTo(expected));
            Assert.That(launches, Is.Positive);
        }
    }

    private static (List<double> Values, int Launches) Train(bool capture)
    {
        using var cpu = new CpuBackend(1, captureGraphs: capture);
        using var scope = new TensorScope();
        var model = new PeftModel(TinyModels.Llama(cpu));
        model.AddAdapter(PeftConfig.Create("adalora", new JsonObject
        {
            ["init_r"] = 4,
            ["target_r"] = 4,
            ["total_step"] = 100,
            ["orth_reg_weight"] = 0.5,
        }), seed: 5);
        ITrainable trainable = new TrainableAdapter(model);
        using var optimizer = new AdamW(trainable.Parameters);
        using var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 1));
        Batch more = Masked(0), fewer = Masked(2);
        var values = new List<double>();
        for (int i = 0; i < Steps; i++)
        {
            var result = step.Run(i % 2 == 0 ? [more, fewer] : [fewer, more], 1e-2, i, (ulong)(2 * i));
            values.AddRange([result.Loss, result.GradientNorm]);
        }
        return (values, (step as CapturedStep)?.GraphLaunches ?? 0);
    }

    /// <summary>Two rows of 12 tokens, of which the first ones are not learned: few enough that rows without targets stay.</summary>
    private static Batch Masked(int first) => new Collator(padId: 0).Collate([.. Enumerable.Range(0, 2).Select(row =>
    {
        int[] ids = [.. Enumerable.Range(1, 12).Select(i => (7 * i + row) % TinyModels.Vocabulary)];
        return new Example(ids, [.. ids.Select((id, i) => i <= first && row == 0 ? Example.Masked : id)]);
    })]);
}
