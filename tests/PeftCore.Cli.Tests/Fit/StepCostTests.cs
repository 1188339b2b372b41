using PeftCore.Cli.Options;
using PeftCore.Cli.Session;
using PeftCore.Cli.Session.Fit;
using PeftCore.Tensors;

namespace PeftCore.Cli.Tests.Fit;

/// <summary>Predicted times of steps.</summary>
public sealed class StepCostTests
{
    /// <summary>bench/results/gpu.md, quantised and streamed bases on one H200: milliseconds of a step of Llama-3.1-8B.</summary>
    [TestCase(242.6, false, false, null)]
    [TestCase(248.0, false, true, null)]
    [TestCase(337.6, true, false, null)]
    [TestCase(353.7, true, true, null)]
    [TestCase(385.7, true, false, "cuda=10GiB")]
    public void Steps_of_a_large_model_on_a_card_are_predicted_within_a_tenth(double milliseconds, bool checkpointing, bool fourBit,
        string? limit)
    {
        var options = new TrainOptions
        {
            Device = "cuda", Dtype = DType.BF16, BatchSize = 2, MaxSeqLength = 2048, LoraR = 16, TargetModules = "all-linear",
            GradientCheckpointing = checkpointing, Limits = MemoryLimits.Parse("--max-memory", limit ?? "1TiB"),
            Quantization = fourBit ? new() { LoadIn4Bit = true, UseDoubleQuant = true } : new(),
        };
        options.Given.Add("lora-r", "--lora-r", isFlag: true, differs: true);
        options.Given.Add("target-modules", "--target-modules", isFlag: true, differs: true);
        var source = new ModelSource(options, Path.Combine(Repository.Root, "bench", "peers", "llama-3.1-8b.json"));
        var cost = StepCost.Of(source.Plan(), options, 2048, fourBit ? BaseStorage.FourBitDouble : BaseStorage.AsStored);
        Assert.That(1e3 * cost.Seconds, Is.EqualTo(milliseconds).Within(10).Percent);
        Assert.That(cost.TokensPerSecond, Is.EqualTo(4096 / cost.Seconds).Within(1e-9).Percent);
    }

    private static StepCost Cost(double rows = 1024, double copied = 0, double fromDisk = 0, bool int8 = false, double dequantized = 0) =>
        new(1e12 * rows, rows, 1, rows, Read: 1e9, dequantized, copied, fromDisk, int8, DeviceRates.Of(new TrainOptions
        {
            Device = "cuda", Dtype = DType.BF16,
        }));

    [Test]
    public void More_rows_are_faster_per_token_and_copies_hide_behind_products_until_they_are_longer()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Cost(2048).TokensPerSecond, Is.GreaterThan(Cost(1024).TokensPerSecond));
            Assert.That(Cost().Doubled().Seconds, Is.EqualTo(Cost(2048).Seconds).Within(1e-12));
            Assert.That(Cost(copied: 1).Seconds, Is.EqualTo(1.14 * Cost().Seconds).Within(1e-12));
            Assert.That(Cost(copied: 1e12).Seconds, Is.EqualTo(1.14 * 1e12 / 5.5e10).Within(1e-9));
            Assert.That(Cost(fromDisk: 1e9).Seconds, Is.EqualTo(Cost().Seconds + 1).Within(1e-9));
            Assert.That(Cost(int8: true).Seconds, Is.GreaterThan(Cost().Seconds));
            Assert.That(Cost(dequantized: 2.9e12).Seconds, Is.EqualTo(Cost().Seconds + 1).Within(1e-9));
        }
    }

    [Test]
    public void Threads_bf16_and_a_card_are_faster()
    {
        double Rate(TrainOptions options) => DeviceRates.Of(options).Flops;
        Assert.That((double[])[Rate(new() { Device = "ilgpu-cpu" }), Rate(new() { Threads = 1 }), Rate(new() { Threads = 2 }),
            Rate(new() { Device = "cuda" }), Rate(new() { Device = "cuda", Dtype = DType.BF16 })], Is.Ordered.Ascending);
    }
}
