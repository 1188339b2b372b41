using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Tests.Models;

public sealed class NoiseScheduleTests
{
    [Test]
    public void The_noise_of_schedules_is_that_of_their_formulas()
    {
        var linear = Read("\"beta_schedule\": \"linear\", \"beta_start\": 0.0001, \"beta_end\": 0.02");
        Assert.That(linear.Kept(0), Is.EqualTo(0.9999).Within(1e-12));
        Assert.That(linear.Kept(999), Is.EqualTo(4.0358e-5).Within(1e-8)); // Ho et al. 2020
        Assert.That(NoiseSchedule.StableDiffusion.Kept(999), Is.EqualTo(0.0046602).Within(1e-6));
        var cosine = Read("\"beta_schedule\": \"squaredcos_cap_v2\"");
        double start = Math.Pow(Math.Cos(0.008 / 1.008 * Math.PI / 2), 2);
        Assert.That(cosine.Kept(499), Is.EqualTo(Math.Pow(Math.Cos((0.5 + 0.008) / 1.008 * Math.PI / 2), 2) / start).Within(1e-9));
    }

    [TestCase("epsilon")]
    [TestCase("v_prediction")]
    public void A_true_prediction_takes_the_noise_out_in_any_number_of_steps(string prediction)
    {
        var schedule = Read($"\"prediction_type\": \"{prediction}\", \"clip_sample\": false");
        float[] picture = Kernels.Numbers.Random(1, 32), noise = Kernels.Numbers.Random(2, 32), x = new float[32], target = new float[32];
        int[] steps = schedule.SamplingSteps(10);
        schedule.AddNoise(picture, noise, steps[0], x);
        foreach (int t in steps)
        {
            schedule.Target(picture, noise, t, target);
            schedule.Denoise(x, target, t, schedule.Steps / steps.Length);
        }
        Assert.That(x, Is.EqualTo(picture).Within(1e-4f));
    }

    [TestCase("", 1)]
    [TestCase("\"clip_sample_range\": 0.25", 0.25)]
    [TestCase("\"clip_sample\": false, \"clip_sample_range\": 0.25", 3)]
    public void A_predicted_picture_is_clamped(string fields, double expected)
    {
        var schedule = Read(fields);
        float[] x = [3 * (float)Math.Sqrt(schedule.Kept(1))];
        schedule.Denoise(x, [0], 1, before: 2); // Without noise: x₀ = 3.
        Assert.That(x[0], Is.EqualTo(expected).Within(1e-5));
    }

    [Test]
    public void Steps_of_sampling_lead_down_to_the_first()
    {
        Assert.That(Read("\"steps_offset\": 1").SamplingSteps(4), Is.EqualTo(new[] { 751, 501, 251, 1 }));
        Assert.That(Read("").SamplingSteps(1000)[^1], Is.Zero);
        Assert.Throws<BadInputException>(() => NoiseSchedule.StableDiffusion.SamplingSteps(1001));
    }

    [Test]
    public void The_noise_of_a_picture_depends_on_the_draw_alone()
    {
        var picture = new NoisedPicture(new DenseValues(Kernels.Numbers.Random(1, 12), [3, 2, 2]), NoiseSchedule.StableDiffusion);
        var draws = Enumerable.Range(0, 200).Select(epoch => new SampleDraw(7, epoch, 3)).ToArray();
        float[] once = new float[12], again = new float[12], other = new float[12];
        picture.Read(once, draws[0]);
        picture.Read(again, draws[0]);
        picture.Read(other, draws[1]);
        Assert.That(again, Is.EqualTo(once));
        Assert.That(other, Is.Not.EqualTo(once));
        int[] steps = [.. draws.Select(picture.StepOf)];
        Assert.That(steps, Has.All.InRange(0, 999));
        Assert.That(steps.Average(), Is.EqualTo(500).Within(70), "uniform over the schedule");
    }

    [TestCase("\"timestep_spacing\": \"trailing\"", "timestep_spacing")]
    [TestCase("\"prediction_type\": \"sample\"", "prediction_type")]
    [TestCase("\"thresholding\": true", "thresholding")]
    [TestCase("\"beta_end\": 0.00001", "beta_end")]
    [TestCase("\"num_train_timesteps\": 2000", "num_train_timesteps")]
    public void A_field_that_is_wrong_or_not_supported_is_refused_by_name(string field, string name)
    {
        var error = Assert.Throws<BadInputException>(() => Read(field));
        Assert.That(error.Message, Does.StartWith($"scheduler_config.json: field \"{name}\""));
    }

    private static NoiseSchedule Read(string fields) => NoiseSchedule.Read(ConfigReader.Parse($"{{{fields}}}", "scheduler_config.json"));
}
