using PeftCore.Backends;
using PeftCore.Peft;
using PeftCore.Tests.Training;
using PeftCore.Training;

namespace PeftCore.Tests.Optim;

/// <summary>Steps of an adapter on the fixtures' llama, and what a reference needs to repeat them.</summary>
internal static class LoraRuns
{
    public const int Steps = 5;

    /// <summary>Half a distance of F32 numbers in each step.</summary>
    private const double Rounding = Steps * 6e-8;

    /// <summary>The rate of a step: another one each time, as a schedule has it.</summary>
    public static double RateOf(double peak, int step) => peak * (1 - (0.15 * step));

    public static PeftModel Model(Backend backend, PeftConfig config)
    {
        var model = new PeftModel(Runs.Model("llama", backend));
        model.AddAdapter(config, seed: 5);
        return model;
    }

    /// <summary>Runs steps and has a reference take each with the same gradients.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">The optimizer; <see cref="TrainerOptions.LearningRate"/> is the peak rate.</param>
    /// <param name="reference">Takes a step: the rate, its number from 1, and the clipped gradients by name.</param>
    public static void Run(PeftModel model, TrainerOptions options, Action<double, int, Dictionary<string, double[]>> reference)
    {
        Dictionary<string, double[]> gradients = [];
        using var step = new AdapterStep(model, options)
        {
            GradientsReady = () => gradients = model.Parameters.Where(p => p.Parameter.Gradient is not null)
                .ToDictionary(p => p.Name, p => Array.ConvertAll(p.Parameter.Gradient!.ToArray<float>(), x => (double)x)),
        };
        for (int number = 0; number < Steps; number++)
        {
            double rate = RateOf(options.LearningRate, number);
            step.Run([.. Runs.Loader(4, (ulong)number, 4).Epoch()], rate, number, (ulong)number);
            double norm = Math.Sqrt(gradients.Values.Sum(g => g.Sum(x => x * x)));
            double scale = options.MaxGradNorm > 0 ? Math.Min(1, options.MaxGradNorm / (norm + 1e-6)) : 1;
            reference(rate, number + 1, gradients.ToDictionary(g => g.Key, g => Array.ConvertAll(g.Value, x => x * scale)));
        }
    }

    public static Dictionary<string, double[]> Values(PeftModel model) =>
        model.Parameters.ToDictionary(p => p.Name, p => Array.ConvertAll(p.Parameter.Value.ToArray<float>(), x => (double)x));

    /// <summary>Compares every parameter with the reference's, by the largest distance that it has moved.</summary>
    public static void AssertNear(PeftModel model, Dictionary<string, double[]> expected, Dictionary<string, double[]> start,
        double tolerance)
    {
        using (Assert.EnterMultipleScope())
        {
            foreach (var (name, values) in Values(model))
            {
                double moved = expected[name].Zip(start[name], (x, y) => Math.Abs(x - y)).Max();
                double error = expected[name].Zip(values, (x, y) => Math.Abs(x - y)).Max();
                double rounding = Rounding * start[name].Max(Math.Abs);
                Assert.That(error, Is.LessThanOrEqualTo((tolerance * moved) + rounding), $"{name} moved {moved}");
            }
        }
    }
}
