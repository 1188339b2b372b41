using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Cli.Session;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verify;

/// <summary>Checks a training run from given initial values: the loss of every step, and the held-out loss before and after.</summary>
internal sealed class RunCheck(Backend backend, string directory, Expected expected, string? baseModel, Action<string>? warn)
{
    private readonly Tolerances _tolerances = Tolerances.Of(backend);
    private const double LearningRate = 2e-3;

    public List<Comparison> Run()
    {
        using var scope = new TensorScope();
        var model = new PeftModel(BaseLoading.Load(FixtureInputs.BaseOf(directory, baseModel), backend, null, warn));
        try
        {
            model.Load(directory, trainable: true);
            foreach (var (name, parameter) in model.Parameters)
            {
                Fill(parameter, expected.Floats("init." + name));
            }
            return Run(model);
        }
        finally
        {
            model.Unload();
            model.Base.Dispose();
        }
    }

    private List<Comparison> Run(PeftModel model)
    {
        var results = new List<Comparison> { new("eval_before", expected.Error("eval_before", [Evaluate(model)]), _tolerances.RunLosses) };
        int steps = expected.Extent("train_batches", 0), rows = expected.Extent("train_batches", 1),
            length = expected.Extent("train_batches", 2);
        int[] batches = expected.Ints("train_batches");
        float[] reference = expected.Floats("losses");
        using var optimizer = new AdamW(model.Parameters, new AdamWOptions());
        double worst = 0;
        for (int step = 0; step < steps; step++)
        {
            float loss = Step(model, batches.AsSpan(step * rows * length, rows * length), rows);
            optimizer.Step(LearningRate);
            optimizer.FreeGradients();
            double error = Math.Abs(loss - reference[step]) / Math.Abs(reference[step]);
            worst = double.IsNaN(error) ? double.PositiveInfinity : Math.Max(worst, error);
        }
        results.Add(new Comparison("losses", worst, _tolerances.RunLosses, $"{steps} steps, the worst of them"));
        results.Add(new Comparison("eval_after", expected.Error("eval_after", [Evaluate(model)]), _tolerances.RunLosses));
        return results;
    }

    private float Step(PeftModel model, ReadOnlySpan<int> ids, int rows)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var loss = model.Base.Loss(ModelInputs.From(backend, ids, rows), Targets.FromLabels(backend, ids, rows));
        tape.Backward(loss);
        return loss.Item();
    }

    private float Evaluate(PeftModel model)
    {
        using var scope = new TensorScope();
        int[] ids = expected.Ints("eval_batch");
        int rows = expected.Extent("eval_batch", 0);
        return Tape.NoGrad(() => model.Base.Loss(ModelInputs.From(backend, ids, rows), Targets.FromLabels(backend, ids, rows))).Item();
    }

    private static void Fill(Parameter parameter, float[] values) => parameter.Value.Upload(values);
}
