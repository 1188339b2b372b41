namespace PeftCore.Nn;

/// <summary>A module that only holds others, such as "model" in "model.decoder.layers".</summary>
internal sealed class ModuleGroup : Module;
