namespace PeftCore.Cli.Tests;

public sealed class ToolTests
{
    [Test]
    public void No_verb_is_bad_input_that_names_the_verbs()
    {
        var run = ToolRun.Of();

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("inspect").And.Contain("env").And.Contain("--help"));
    }

    [Test]
    public void Help_lists_every_verb()
    {
        var run = ToolRun.Of("--help");

        Assert.That(run.ExitCode, Is.Zero);
        Assert.That(run.Output, Does.Contain("inspect").And.Contain("env").And.Contain("--json"));
    }

    [TestCase("inspct", "inspect")]
    [TestCase("enf", "env")]
    [TestCase("trian", "train")]
    [TestCase("eavl", "eval")]
    [TestCase("genrate", "generate")]
    public void A_misspelt_verb_is_answered_with_the_near_one(string verb, string meant)
    {
        var run = ToolRun.Of(verb);

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain($"did you mean {meant}?"));
    }

    [Test]
    public void A_misspelt_option_is_answered_with_the_near_one_even_where_an_argument_was_expected()
    {
        var run = ToolRun.Of("inspect", "--jsn", "somewhere");

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("no option --jsn; did you mean --json?"));
    }

    [Test]
    public void Underscores_in_a_flag_are_dashes() =>
        Assert.That(ToolRun.Of("train", "--output_dir=a_b", "--lora_r", "zero").Error,
            Does.Contain("--lora-r is \"zero\", expected a whole number"));

    [TestCase("--lora-rnk")]
    [TestCase("--lora_rnk")]
    public void A_misspelt_setting_is_answered_with_the_near_one(string flag) =>
        Assert.That(ToolRun.Of("train", flag, "8").Error, Does.Contain("no option --lora-rnk; did you mean --lora-r"));

    [TestCase("train", "--lerning-rate", "--learning-rate")]
    [TestCase("train", "--otuput-dir", "--output-dir")]
    [TestCase("eval", "--adatper", "--adapter")]
    [TestCase("generate", "--max-new-token", "--max-new-tokens")]
    public void A_misspelt_flag_of_a_verb_is_answered_with_the_near_one(string verb, string flag, string meant) =>
        Assert.That(ToolRun.Of(verb, flag, "8").Error, Does.Contain($"no option {flag}; did you mean {meant}"));

    [Test]
    public void An_option_in_the_place_of_a_value_is_not_taken_for_one() =>
        Assert.That(ToolRun.Of("train", "--model", "--dta", "x").Error, Does.Contain("--model has no value").And.Contain("--data"));

    [Test]
    public void A_surplus_argument_is_refused()
    {
        var run = ToolRun.Of("env", "twice");

        Assert.That((run.ExitCode, run.Error),
            Is.EqualTo((2,
                "peftcore: peftcore env takes no further argument, found \"twice\" (\"peftcore env --help\" lists what there is)" +
                Environment.NewLine)));
    }

    [Test]
    public void An_unknown_device_is_refused_with_the_known_ones()
    {
        var run = ToolRun.Of("env", "--device", "tpu");

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("--device is \"tpu\", expected cpu, cuda or ilgpu-cpu"));
    }

    [Test]
    public void An_error_is_one_line_and_a_stack_trace_only_with_verbose()
    {
        Assert.That(ToolRun.Of("inspect", "/no/such/place").Error.TrimEnd(), Does.Not.Contain("\n"));
        Assert.That(ToolRun.Of("inspect", "/no/such/place", "--verbose").Error, Does.Contain("   at PeftCore."));
    }

    [Test]
    public void With_json_an_error_is_an_object_on_standard_output_too()
    {
        var run = ToolRun.Of("inspect", "/no/such/place", "--json");

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Json.GetProperty("error").GetString(), Does.Contain("no such directory"));
    }

    [Test]
    public void The_version_is_told() => Assert.That(ToolRun.Of("--version").Output, Does.StartWith("0.1.0"));
}
