using PeftCore.Cli.Demo;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Models of pictures through the tool: training, evaluation, classification, and their errors.</summary>
public sealed class PictureVerbsTests
{
    private static readonly string Vit = Path.Combine(Repository.Root, "src", "PeftCore.Cli", "Demo", "base-vit");

    [Test]
    public void An_adapter_scores_as_the_trained_model_and_tells_the_class_of_a_picture()
    {
        using var directory = new TemporaryDirectory();
        string data = Path.Combine(directory.FullPath, "shapes"), adapter = Path.Combine(directory.FullPath, "a");
        string plot = Path.Combine(directory.FullPath, "confusion.svg");
        DemoPictures.Draw(data, train: 6, seed: 3);

        var trained = Train(data, adapter, "--learning-rate", "1e-3", "--flip", "true", "--random-crop", "0.6");
        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        Assert.That(trained.Error, Does.Contain("checks, disc, stripes").And.Contain("gets a new head").And.Not.Contain("tok/s"));
        var scored = ToolRun.Of("eval", "--model", Vit, "--adapter", adapter, "--data", data, "--confusion", plot, "--json");
        Assert.That(scored.ExitCode, Is.Zero, scored.Error);
        Assert.That(scored.Json.GetProperty("accuracy").GetDouble(), Is.InRange(0, 1));
        Assert.That(scored.Json.GetProperty("targets").GetInt32(), Is.EqualTo(6));
        Assert.That(File.ReadAllText(plot), Does.Contain("<title>Confusion matrix</title>").And.Contain("of 6 right")
            .And.Contain("stripes"));

        string picture = Path.Combine(data, "test", "disc", "00.png");
        var told = ToolRun.Of("generate", "--model", Vit, "--adapter", adapter, "--image", picture, "--json");
        Assert.That(told.ExitCode, Is.Zero, told.Error);
        Assert.That(told.Json.GetProperty("classes").EnumerateArray().Sum(c => c.GetProperty("probability").GetDouble()),
            Is.EqualTo(1).Within(1e-6));
        Assert.That(told.Json.GetProperty("label").GetString(), Is.AnyOf("checks", "disc", "stripes"));
    }

    [Test]
    public void Augmented_runs_repeat_themselves()
    {
        using var directory = new TemporaryDirectory();
        string data = Path.Combine(directory.FullPath, "shapes");
        DemoPictures.Draw(data, train: 3, seed: 3);
        double Loss(string name, params string[] more) =>
            Train(data, Path.Combine(directory.FullPath, name), [.. more, "--json"]).Json.GetProperty("train_loss").GetDouble();

        Assert.That(Loss("a", "--flip", "true"), Is.EqualTo(Loss("b", "--flip", "true")));
        Assert.That(Loss("c"), Is.Not.EqualTo(Loss("d", "--random-crop", "0.4")));
    }

    [TestCase("", "the file is empty")]
    [TestCase("no picture", "neither a PNG nor a JPEG")]
    [TestCase("cut", "truncated")]
    [TestCase("changed", "damaged")]
    public void A_bad_picture_is_named_and_left_out_only_if_asked_for(string content, string problem)
    {
        using var directory = new TemporaryDirectory();
        string data = Path.Combine(directory.FullPath, "shapes"), bad = Path.Combine(data, "train", "disc", "bad.png");
        DemoPictures.Draw(data, train: 3, seed: 3);
        byte[] good = File.ReadAllBytes(Path.Combine(data, "train", "disc", "00.png"));
        File.WriteAllBytes(bad, content switch
        {
            "cut" => good[..(good.Length / 2)],
            "changed" => [.. good[..60], (byte)~good[60], .. good[61..]],
            _ => System.Text.Encoding.ASCII.GetBytes(content),
        });

        var refused = Train(data, Path.Combine(directory.FullPath, "a"));
        Assert.That(refused.ExitCode, Is.EqualTo(2));
        Assert.That(refused.Error, Does.Contain("bad.png: ").And.Contain(problem));
        var skipped = Train(data, Path.Combine(directory.FullPath, "b"), "--skip-bad", "true");
        Assert.That(skipped.ExitCode, Is.Zero, skipped.Error);
        Assert.That(skipped.Error, Does.Contain("1 of 10 files were left out").And.Contain("bad.png"));
    }

    [Test]
    public void A_class_directory_without_pictures_is_named()
    {
        using var directory = new TemporaryDirectory();
        string data = Path.Combine(directory.FullPath, "shapes");
        DemoPictures.Draw(data, train: 3, seed: 3);
        Directory.CreateDirectory(Path.Combine(data, "train", "empty"));

        Assert.That(Train(data, Path.Combine(directory.FullPath, "a")).Error, Does.Contain("empty: the directory of a class has no file"));
    }

    [Test]
    public void Flags_of_pictures_are_refused_where_none_are_read()
    {
        var run = ToolRun.Of("train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--output-dir", "unused", "--flip", "true");
        Assert.That((run.ExitCode, run.Error), Is.EqualTo((2,
            "peftcore: --flip is for pictures, but this llama model reads none; leave it out." + Environment.NewLine)));
        Assert.That(ToolRun.Of("generate", "--model", Vit, "--prompt", "x").Error, Does.Contain("expected --image FILE"));
        Assert.That(ToolRun.Of("generate", "--model", Bundled.BaseLlama, "--image", "x.png").Error, Does.Contain("classifies no pictures"));
        Assert.That(ToolRun.Of("generate", "--model", Vit, "--image", "none.png").Error, Does.Contain("none.png: there is no such file"));
    }

    [Test]
    public void Plan_and_bench_count_pictures()
    {
        Assert.That(ToolRun.Of("plan", "--model", Vit, "--batch-size", "4").Output, Does.Contain("batch 4 pictures"));
        var bench = ToolRun.Of("bench", "step", "--model", Vit, "--batch-size", "2", "--steps", "1", "--warmup", "0");
        Assert.That(bench.Output, Does.Contain("pictures/s").And.Not.Contain("tok/s"), bench.Error);
    }

    [Test]
    public void Methods_are_compared_on_pictures_without_a_column_of_forgetting()
    {
        using var directory = new TemporaryDirectory();
        string data = Path.Combine(directory.FullPath, "shapes"), output = Path.Combine(directory.FullPath, "c");
        DemoPictures.Draw(data, train: 3, seed: 3);
        var run = ToolRun.Of("compare", "--model", Vit, "--data", data, "--output-dir", output, "--methods", "lora,ln_tuning",
            "--learning-rates", "1e-3", "--max-steps", "2");

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(File.ReadAllText(Path.Combine(output, "comparison.md")), Does.Contain("| – |").And.Contain("ln_tuning"));
    }

    [Test]
    public void The_demo_of_pictures_learns_shapes_and_all_three_agree()
    {
        var run = ToolRun.Of("demo", "--vision", "true", "--max-steps", "24", "--json");

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("eval_loss_after").GetDouble(), Is.LessThan(run.Json.GetProperty("eval_loss_before").GetDouble()));
        Assert.That(run.Json.GetProperty("max_disagreement").GetDouble(), Is.LessThan(1e-4));
        Assert.That(run.Error, Does.Contain("picture \\ predicted").And.Contain("pictures that were held out"));
    }

    private static ToolRun Train(string data, string output, params string[] more) => ToolRun.Of(
        ["train", "--model", Vit, "--task", "image-cls", "--data", data, "--output-dir", output, "--max-steps", "3",
            "--batch-size", "6", .. more]);
}
