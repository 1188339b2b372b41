using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>What a diffusion model predicts.</summary>
internal enum NoisePrediction
{
    /// <summary>The noise ε (Ho et al. 2020).</summary>
    Epsilon,

    /// <summary>The velocity v = √ᾱ·ε − √(1 − ᾱ)·x₀ (Salimans and Ho 2022).</summary>
    Velocity,
}

/// <summary>The noise of each step of a diffusion (Ho et al. 2020, DDPM): x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε with ᾱ_t = Π (1 − β_s) over the
/// steps up to t. Sampling is DDIM (Song et al. 2021) without noise of its own, η = 0.</summary>
public sealed class NoiseSchedule
{
    private readonly double[] _kept;

    private NoiseSchedule(double[] betas, NoisePrediction prediction)
    {
        Prediction = prediction;
        _kept = new double[betas.Length];
        double product = 1;
        for (int t = 0; t < betas.Length; t++)
        {
            _kept[t] = product *= 1 - betas[t];
        }
    }

    /// <summary>Stable Diffusion's schedule: √β rises linearly from √0.00085 to √0.012 in 1,000 steps, and the model predicts
    /// ε.</summary>
    public static NoiseSchedule StableDiffusion { get; } =
        new(Betas("scaled_linear", 0.00085, 0.012, TimeWaves.Steps), NoisePrediction.Epsilon);

    /// <summary>Number of steps, T.</summary>
    internal int Steps => _kept.Length;

    /// <summary>What the model predicts.</summary>
    internal NoisePrediction Prediction { get; }

    /// <summary>A number that differs between schedules that train differently.</summary>
    internal long Fingerprint =>
        unchecked(_kept.Aggregate((long)Prediction, (hash, kept) => hash * 31 + BitConverter.DoubleToInt64Bits(kept)));

    /// <summary>The bound to whose interval [−bound, bound] a predicted picture is clamped while sampling; infinite for none.</summary>
    internal double ClipRange { get; init; } = double.PositiveInfinity;

    /// <summary>Whether the last step of sampling ends without noise; otherwise with that of step 0.</summary>
    internal bool EndsClean { get; init; }

    /// <summary>Added to each step of sampling.</summary>
    internal int Offset { get; init; } = 1;

    /// <summary>Reads a scheduler_config.json of diffusers.</summary>
    /// <exception cref="BadInputException">A field is wrong or asks for something that is not supported.</exception>
    public static NoiseSchedule Load(string path) => Read(ConfigReader.Open(path));

    /// <summary>ᾱ_t.</summary>
    internal double Kept(int t) => _kept[t];

    internal static NoiseSchedule Read(ConfigReader config)
    {
        int steps = config.Int("num_train_timesteps", 1000, min: 1, max: TimeWaves.Steps);
        if (config.Raw("trained_betas") is not null)
        {
            throw config.Error("trained_betas", "lists betas, which is not supported; expected a beta_schedule");
        }
        if (config.Bool("thresholding", false) || config.Bool("rescale_betas_zero_snr", false))
        {
            throw config.Error(config.Bool("thresholding", false) ? "thresholding" : "rescale_betas_zero_snr",
                "is true, which changes the results and is not supported; expected false");
        }
        config.Choice("timestep_spacing", "leading", "leading");
        string kind = config.Choice("beta_schedule", "linear", "linear", "scaled_linear", "squaredcos_cap_v2");
        double start = config.Float("beta_start", 0.0001, min: 0, max: 1), end = config.Float("beta_end", 0.02, min: 0, max: 1);
        if (end < start || end >= 1)
        {
            throw config.Error("beta_end", $"is {end}, expected a number from beta_start = {start} to below 1");
        }
        string prediction = config.Choice("prediction_type", "epsilon", "epsilon", "v_prediction");
        return new NoiseSchedule(Betas(kind, start, end, steps),
            prediction == "epsilon" ? NoisePrediction.Epsilon : NoisePrediction.Velocity)
        {
            ClipRange = config.Bool("clip_sample", true) ? config.Float("clip_sample_range", 1, min: 0) : double.PositiveInfinity,
            EndsClean = config.Bool("set_alpha_to_one", true),
            Offset = config.Int("steps_offset", 0, min: 0, max: 1),
        };
    }

    /// <summary>x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε.</summary>
    internal void AddNoise(ReadOnlySpan<float> picture, ReadOnlySpan<float> noise, int t, Span<float> noised) =>
        Combine(picture, Math.Sqrt(_kept[t]), noise, Math.Sqrt(1 - _kept[t]), noised);

    /// <summary>What the model is to predict of x_t: ε or v.</summary>
    internal void Target(ReadOnlySpan<float> picture, ReadOnlySpan<float> noise, int t, Span<float> target)
    {
        if (Prediction == NoisePrediction.Epsilon)
        {
            noise.CopyTo(target);
            return;
        }
        Combine(noise, Math.Sqrt(_kept[t]), picture, -Math.Sqrt(1 - _kept[t]), target);
    }

    /// <summary>The steps of sampling, from the noisiest: every (T/count)-th.</summary>
    internal int[] SamplingSteps(int count)
    {
        if (count < 1 || count > Steps)
        {
            throw new BadInputException($"{count} steps of sampling; expected 1 to {Steps}, the steps of the schedule");
        }
        int each = Steps / count;
        return [.. Enumerable.Range(0, count).Reverse().Select(i => Math.Min(i * each + Offset, Steps - 1))];
    }

    /// <summary>One step of DDIM: x_s = √ᾱ_s·x₀ + √(1 − ᾱ_s)·ε with the x₀ and ε that the prediction at step t means.</summary>
    /// <param name="x">x_t, replaced by x_s.</param>
    /// <param name="prediction">ε or v.</param>
    /// <param name="t">The step.</param>
    /// <param name="before">Steps between t and s.</param>
    internal void Denoise(Span<float> x, ReadOnlySpan<float> prediction, int t, int before)
    {
        int s = t - before;
        double kept = _kept[t], left = s >= 0 ? _kept[s] : EndsClean ? 1 : _kept[0];
        double root = Math.Sqrt(kept), noise = Math.Sqrt(1 - kept), nextRoot = Math.Sqrt(left), nextNoise = Math.Sqrt(1 - left);
        for (int i = 0; i < x.Length; i++)
        {
            double p = prediction[i];
            double picture = Prediction == NoisePrediction.Epsilon ? (x[i] - noise * p) / root : root * x[i] - noise * p;
            double epsilon = Prediction == NoisePrediction.Epsilon ? p : root * p + noise * x[i];
            x[i] = (float)(nextRoot * Math.Clamp(picture, -ClipRange, ClipRange) + nextNoise * epsilon);
        }
    }

    private static void Combine(ReadOnlySpan<float> a, double ofA, ReadOnlySpan<float> b, double ofB, Span<float> sum)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] = (float)(ofA * a[i] + ofB * b[i]);
        }
    }

    /// <summary>β of each step.</summary>
    private static double[] Betas(string kind, double start, double end, int steps)
    {
        return [.. Enumerable.Range(0, steps).Select(t => kind switch
        {
            "linear" => Line(start, end, t),
            "scaled_linear" => Math.Pow(Line(Math.Sqrt(start), Math.Sqrt(end), t), 2),
            _ => Math.Min(0.999, 1 - Cosine(t + 1) / Cosine(t)), // Nichol and Dhariwal 2021
        })];

        double Line(double from, double to, int t) => steps == 1 ? from : from + (to - from) * t / (steps - 1);

        double Cosine(int t) => Math.Pow(Math.Cos(((double)t / steps + 0.008) / 1.008 * Math.PI / 2), 2);
    }
}
