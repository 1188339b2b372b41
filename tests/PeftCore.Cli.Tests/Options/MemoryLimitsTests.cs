using PeftCore.Cli.Options;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests.Options;

public sealed class MemoryLimitsTests
{
    [TestCase("6GiB", "cuda", 6L << 30)]
    [TestCase("cuda=6GiB,cpu=30GiB", "cuda", 6L << 30)]
    [TestCase("cuda=6GiB, cpu=30GiB", "cpu", 30L << 30)]
    [TestCase("0=6GiB,cpu=30GiB", "cuda", 6L << 30)]
    [TestCase("cuda:0=1.5g", "cuda", 3L << 29)]
    [TestCase("cpu=30GiB", "cuda", null)]
    public void The_limit_of_a_device_is_read(string text, string device, long? bytes)
    {
        Assert.That(MemoryLimits.TryParse(text, out var limits), Is.True);
        Assert.That(limits.For(device), Is.EqualTo(bytes is { } count ? new ByteSize(count) : (ByteSize?)null));
        Assert.That(MemoryLimits.TryParse(limits.Text, out var again) ? again : null, Is.EqualTo(limits), "it is written as it is read");
    }

    [TestCase("")]
    [TestCase("cpu")]
    [TestCase("cpu=")]
    [TestCase("disk=6GiB")]
    [TestCase("1=6GiB")]
    [TestCase("6GiB,cpu=30GiB")]
    [TestCase("0=6GiB,cuda=6GiB")]
    [TestCase("1,5GiB")]
    public void Anything_else_is_refused(string text) => Assert.That(() => MemoryLimits.Parse("--max-memory", text),
        Throws.TypeOf<BadInputException>().With.Message.EqualTo($"--max-memory is \"{text}\", expected a size such as 6GiB, or one for each "
            + "device such as cuda=6GiB,cpu=30GiB."));

    [Test]
    public void Limits_of_other_devices_are_pointed_out()
    {
        var run = ToolRun.Of("plan", "--model", Bundled.BaseT5, "--max-memory", "0=6GiB");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("--max-memory has no effect for cuda: a run with --device cpu keeps all of its tensors on that "
            + "device, which has no limit then."));
        Assert.That(MemoryLimits.Parse("", "cpu=1GiB").Idle("cpu"), Is.Null);
        Assert.That(MemoryLimits.Parse("", "cuda=6GiB,cpu=1GiB").Idle("cuda"), Is.Null);
        Assert.That(MemoryLimits.Parse("", "cpu=1GiB").Idle("cuda"), Does.Contain("for cpu"));
    }

    [TestCase("cuda=6GiB,cpu=1GiB", "cuda", 1L << 30)]
    [TestCase("cuda=6GiB", "cuda", long.MaxValue)]
    [TestCase("6GiB", "ilgpu-cpu", long.MaxValue)]
    [TestCase("cpu=1GiB", "cuda", null)]
    [TestCase("6GiB", "cpu", null)]
    public void The_host_holds_what_does_not_fit_on_a_card_with_a_limit(string limits, string device, long? bytes) =>
        Assert.That(MemoryLimits.Parse("", limits).HostFor(device), Is.EqualTo(bytes));

    [Test]
    public void Evaluation_ends_where_it_would_take_more_and_generation_is_refused()
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("a.jsonl", "{\"text\": \"a\", \"label\": \"b\"}\n");
        var generated = ToolRun.Of("generate", "--model", Bundled.BaseT5, "--prompt", "x", "--max-memory", "cpu=100KiB");
        var evaluated = ToolRun.Of("eval", "--model", Bundled.BaseT5, "--data", data, "--max-memory", "100KiB");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(generated.ExitCode, Is.EqualTo(2));
            Assert.That(generated.Error, Does.Contain("the nearest limit that can be kept is cpu="));
            Assert.That(evaluated.ExitCode, Is.EqualTo(1));
            Assert.That(evaluated.Error, Does.Contain("peftcore: not enough memory: ").And.Not.Contain("should not happen"));
        }
    }
}
