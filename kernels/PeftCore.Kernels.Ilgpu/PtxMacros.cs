using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>Expands macros to PTX, for instructions that C# cannot express. A kernel emits one-line macros (peft.begin, peft.multiply, ...)
/// through ILGPU's inline assembly, and the kernel's own writer (<c>GemmPtx</c>, <c>FlashPtx</c>, <c>SkinnyGemmPtx</c>, <c>MmaPtx</c>)
/// writes each as PTX.</summary>
internal static partial class PtxMacros
{
    internal const string Shared = "peft_shared";

    /// <summary>Writes one macro as PTX; false if there is none of that name.</summary>
    internal delegate bool MacroWriter(StringBuilder text, string[] name, string[] arguments);

    /// <summary>Converts ILGPU's PTX to loadable PTX: expands the macros, sets the target, and adds a parameter and a cluster size if
    /// given.</summary>
    public static string Expand(string ptx, MacroWriter write, string? parameter = null, int cluster = 1, string target = "sm_90a")
    {
        StringBuilder text = new(ptx.Length * 4);
        foreach (string line in ptx.Split('\n'))
        {
            var macro = Macro().Match(line);
            if (macro.Success)
            {
                string[] arguments = macro.Groups["arguments"].Value.Split(',',
                    StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
                string name = macro.Groups["name"].Value;
                if (!write(text, name.Split('.'), arguments))
                {
                    throw new InvalidOperationException($"there is no macro peft.{name}");
                }
                continue;
            }
            if (line.StartsWith(".target", StringComparison.Ordinal))
            {
                text.Append(".target ").Append(target).Append('\n');
                continue;
            }
            bool last = parameter is not null && line.StartsWith("\t.param", StringComparison.Ordinal);
            text.Append(line).Append(last ? ",\n\t" + parameter + "\n" : "\n");
            if (line.StartsWith(".address_size", StringComparison.Ordinal))
            {
                text.Append(".extern .shared .align 1024 .b8 ").Append(Shared).Append("[];\n");
            }
            else if (cluster > 1 && line.StartsWith(".maxntid", StringComparison.Ordinal))
            {
                text.Append(CultureInfo.InvariantCulture, $".reqnctapercluster {cluster}, 1, 1\n");
            }
        }
        return text.ToString();
    }

    /// <summary>The name of the one kernel in a module.</summary>
    public static string EntryOf(string ptx) => Entry().Match(ptx).Groups["name"].Value;

    [GeneratedRegex(@"^\s*peft\.(?<name>[\w.]+)\s*(?<arguments>[^;]*);\s*$")]
    private static partial Regex Macro();

    [GeneratedRegex(@"\.entry\s+(?<name>\w+)")]
    private static partial Regex Entry();
}
