using PeftCore.Peft;
using PeftCore.Peft.Boft;
using PeftCore.Peft.LoHa;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Miss;
using PeftCore.Peft.Prompts;
using PeftCore.Peft.Sparse;
using PeftCore.Peft.Vera;

namespace PeftCore.Tests.Peft;

/// <summary>Configurations created by code have the same bounds as those of files.</summary>
public sealed class ConfigBoundsTests
{
    private static IEnumerable<TestCaseData> OutOfBounds() =>
    [
        new(new VeraConfig { Rank = 0 }, "r is 0; it must be at least 1"),
        new(new VeraConfig { Dropout = 1 }, "vera_dropout is 1; it must be at least 0 and below 1"),
        new(new MissConfig { MiniRank = 0 }, "mini_r is 0; it must be at least 1"),
        new(new BoftConfig { Dropout = 2 }, "boft_dropout is 2; it must be from 0 to 1"),
        new(new LoHaConfig { RankPattern = [new("q_proj", 0)] }, "rank_pattern of \"q_proj\" is 0; it must be at least 1"),
        new(new SparseConfig { Density = double.NaN }, "density is NaN; it must be from 0 to 1"),
        new(new PTuningConfig { EncoderHiddenSize = 0 }, "encoder_hidden_size is 0; it must be at least 1"),
        new(new LoraConfig { Init = LoraInit.Eva, Calibration = new() { Rho = 0.5 } }, "rho is 0.5; it must be at least 1"),
    ];

    [TestCaseSource(nameof(OutOfBounds))]
    public void A_value_outside_its_bounds_is_refused_by_the_name_it_has_in_files(PeftConfig config, string sentence)
    {
        using var bench = new Bench(Family.Llama);

        Assert.That(() => bench.Model.AddAdapter(config), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }

    [Test]
    public void Fields_have_the_defaults_of_the_configuration_itself() => Assert.That(
        PeftConfig.FieldsOf("vera").Where(field => field.Name is "r" or "d_initial" or "save_projection").Select(field => field.Default),
        Is.EqualTo(new[] { "256", "true", "0.1" }));

    [Test]
    public void Fields_inside_an_object_have_its_name_before_theirs() =>
        Assert.That(PeftConfig.FieldsOf("lora").Select(field => field.Name), Does.Contain("eva_config.rho"));
}
