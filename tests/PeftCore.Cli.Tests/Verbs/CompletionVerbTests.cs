using System.Diagnostics;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>The completion scripts; bash's runs in bash where there is one.</summary>
public sealed class CompletionVerbTests
{
    [TestCase("", "train")]
    [TestCase("tra", "train")]
    [TestCase("bench ", "step")]
    [TestCase("bench st", "step")]
    [TestCase("train --lora-", "--lora-alpha --lora-dropout --lora-r")]
    [TestCase("train --loraplus-lr-r", "--loraplus-lr-ratio")]
    [TestCase("train --dtype ", "bf16 f32")]
    [TestCase("train --dtype b", "bf16")]
    [TestCase("train --lr-scheduler-type co", "constant cosine")]
    [TestCase("train --lr_scheduler_type co", "constant cosine")]
    [TestCase("train --dtype =", "bf16 f32")]
    [TestCase("train --dtype = b", "bf16")]
    [TestCase("train --dtype=b", "--dtype=bf16")]
    [TestCase("train --method lo", "loftq loha lokr lora lora_ga")]
    [TestCase("train --method pis", "pissa")]
    [TestCase("--device ", "cpu cuda ilgpu-cpu")]
    [TestCase("bench step --device c", "cpu cuda")]
    [TestCase("--device cpu eval --pool", "--pooling")]
    [TestCase("eval --pooling m", "mean")]
    [TestCase("completion ", "bash pwsh zsh")]
    [TestCase("train --use-dora --use", "--use-dora --use-rslora")]
    [TestCase("train --lora-r ", "")]
    public void Bash_completes_verbs_flags_and_values(string typed, string expected)
    {
        string[] found = Complete(typed);

        Assert.That(found, expected.Length == 0 ? Is.Empty : Is.SupersetOf(expected.Split(' ')));
        Assert.That(found, typed is "" or "bench " ? Has.Length.GreaterThan(1) : Has.Length.EqualTo(
            expected.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length));
    }

    [Test]
    public void Bash_completes_files_and_directories_where_they_are_values()
    {
        using var directory = new TemporaryDirectory();
        directory.Write("data.jsonl", "");
        Directory.CreateDirectory(Path.Combine(directory.FullPath, "model"));

        Assert.That(Complete($"train --data {directory.FullPath}/d"), Is.EqualTo(new[] { $"{directory.FullPath}/data.jsonl" }));
        Assert.That(Complete($"train --model {directory.FullPath}/"), Is.EqualTo(new[] { $"{directory.FullPath}/model" }));
        Assert.That(Complete($"inspect {directory.FullPath}/"), Is.EqualTo(new[] { $"{directory.FullPath}/model" }));
    }

    [TestCase("bash")]
    [TestCase("zsh")]
    [TestCase("pwsh")]
    public void Every_verb_and_every_flag_is_in_the_script(string shell)
    {
        string script = ToolRun.Of("completion", shell).Output;

        foreach (string word in (string[])["train", "gemm", "--method-options", "--model-name-or-path", "--optim", "--confusion", "--json",
            "ilgpu-cpu"])
        {
            Assert.That(script, Does.Contain(word));
        }
        Assert.That(ToolRun.Of("completion", shell, "--json").Json.GetProperty("script").GetString(), Is.EqualTo(script));
    }

    [Test]
    public void A_shell_without_a_script_is_refused() =>
        Assert.That(ToolRun.Of("completion", "tcsh"), Has.Property("ExitCode").EqualTo(2).And.Property("Error").Contains("bash"));

    /// <summary>What bash offers after some words; the last one is being typed.</summary>
    private static string[] Complete(string typed)
    {
        Assume.That(Bash, Is.Not.Null, "there is no bash");
        string script = ToolRun.Of("completion", "bash").Output;
        string[] words = ["peftcore", .. typed.Split(' ')];
        string call = $$"""
            {{script}}
            COMP_WORDS=({{string.Join(' ', words.Select(word => $"'{word}'"))}})
            COMP_CWORD={{words.Length - 1}}
            _peftcore
            printf '%s\n' "${COMPREPLY[@]}"
            """;
        using var run = Process.Start(new ProcessStartInfo(Bash!, ["--noprofile", "--norc", "-s"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        run.StandardInput.Write(call);
        run.StandardInput.Close();
        string output = run.StandardOutput.ReadToEnd(), error = run.StandardError.ReadToEnd();
        run.WaitForExit();
        Assert.That(error, Is.Empty);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];
    }

    private static string? Bash => ((string[])["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"]).FirstOrDefault(File.Exists);
}
