using PeftCore.Cli.Options;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Cli.Session;

/// <summary>From flags to the configuration of an adapter.</summary>
internal static class AdapterSetup
{
    public static PeftConfig ConfigOf(TrainOptions options)
    {
        if (options.Method != "lora")
        {
            throw new BadInputException($"--method is \"{options.Method}\", expected lora: other methods are not supported yet.");
        }
        return new LoraConfig
        {
            Rank = options.LoraR,
            Alpha = options.LoraAlpha,
            Dropout = options.LoraDropout,
            TargetModules = options.TargetModules is { } targets ? ModuleSelector.Parse(targets) : null,
            ModulesToSave = options.ModulesToSave?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
            Bias = options.Bias,
            UseRsLora = options.UseRslora,
            UseDora = options.UseDora,
            Init = LoraConfig.ParseInit(options.InitLoraWeights),
            BaseModelNameOrPath = options.Model,
        };
    }
}
