namespace PeftCore.Cli.Options;

/// <summary>The headings under which --help lists the options of a verb.</summary>
internal static class HelpGroups
{
    public const string Input = "Model and data", Task = "Task", Method = "Method", Lora = "LoRA", OtherMethods = "Other methods",
        Training = "Training", Augmentation = "Changes of training pictures and recordings", Saving = "Evaluation, log and checkpoints",
        Output = "Output", Text = "Text", Beams = "Beam search and lengths", Speech = "Recordings", Drawing = "Drawing pictures",
        Serving = "Listening and limits",
        Device = "Device and memory", Other = "Options", Everywhere = "With every verb";
}
