using PeftCore.Fuzz.Engine;

namespace PeftCore.Fuzz.Kinds;

/// <summary>All kinds of input.</summary>
internal static class FuzzKinds
{
    public static IReadOnlyList<FuzzKind> All { get; } =
        [new SafetensorsKind(), new ConfigKind(), new AdapterKind(), new TokenizerKind(), new TemplateKind(), new DataKind()];

    /// <exception cref="BadInputException">There is none of that name.</exception>
    public static FuzzKind Get(string name) => All.FirstOrDefault(kind => kind.Name == name)
        ?? throw new BadInputException($"there is no kind \"{name}\"; there are {string.Join(", ", All.Select(kind => kind.Name))}");
}
