using System.ComponentModel;
using System.Diagnostics;

namespace PeftCore.Cli.Session;

/// <summary>The user's browser.</summary>
internal static class Browser
{
    /// <summary>Opens a page; false if the system has no program for that.</summary>
    /// <param name="url">The address.</param>
    public static bool TryOpen(string url)
    {
        try
        {
            using var opener = OperatingSystem.IsWindows() ? Process.Start(new ProcessStartInfo(url) { UseShellExecute = true })
                : Process.Start(new ProcessStartInfo(OperatingSystem.IsMacOS() ? "open" : "xdg-open", [url])
                {
                    RedirectStandardError = true, RedirectStandardOutput = true,
                });
            return true;
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException or PlatformNotSupportedException)
        {
            return false;
        }
    }
}
