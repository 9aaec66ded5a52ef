package checks

import (
	"strings"

	"migimg/preflight/targets"
)

// cloudHosts are hosts that answer only within their cloud: the end of the
// name, the target's id and its name for people. They are in the clouds' own
// images, as package mirrors and time servers.
var cloudHosts = [][3]string{
	{".tencentyun.com", "tencent", "Tencent Cloud"}, {".aliyuncs.com", "alibaba", "Alibaba Cloud"}, {".myhuaweicloud.com", "huawei", "Huawei Cloud"}, {".ivolces.com", "byteplus", "Volcengine"},
	{"rhui.microsoft.com", "azure", "Azure"}, {"rhui.googlecloud.com", "gcp", "Google Cloud"}, {"metadata.google.internal", "gcp", "Google Cloud"},
	{".oracleiaas.com", "oracle", "Oracle Cloud"}, {".baidubce.com", "baidu", "Baidu Cloud"}, {".jcloudcs.com", "jd", "JD Cloud"},
	{".aws.ce.redhat.com", "aws", "AWS"}, {"169.254.169.123", "aws", "AWS"},
}

func cloudOf(host string) (id, name string) {
	if strings.HasPrefix(host, "rhui") && strings.Contains(host, ".amazonaws.com") {
		return "aws", "AWS"
	}
	for _, h := range cloudHosts {
		if strings.HasSuffix(host, h[0]) {
			return h[1], h[2]
		}
	}
	return "", ""
}

// cloudHost says whether a host is one of a cloud's own.
func cloudHost(host string) bool {
	id, _ := cloudOf(host)
	return id != ""
}

// otherCloud is the cloud that a host answers in, if that is not the target.
func otherCloud(host string, t *targets.Target) string {
	id, name := cloudOf(host)
	if id == t.ID {
		return ""
	}
	return name
}
